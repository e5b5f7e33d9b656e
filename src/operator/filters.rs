//! The filters of `chatops history`: the same words as in Slack, and what they mean here.

use chatops_core::command::{
    self, Command, FilterError, GrammarError, HistoryFilter, Question, Who,
};

use super::{Usage, words};

/// What was typed: the filters, and how many deploys if `limit:` says so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) filter: HistoryFilter,
    pub(super) limit: Option<usize>,
}

/// Reads the words. `limit:` is the terminal's own: it has room for more than Slack.
pub(super) fn parse(typed: &[String]) -> Result<Typed, Usage> {
    let (limits, filters): (Vec<&str>, Vec<&str>) = typed
        .iter()
        .flat_map(|word| word.split_whitespace())
        .partition(|word| word.starts_with("limit:"));
    let limit = match limits.as_slice() {
        [] => None,
        [limit] => Some(number(limit.trim_start_matches("limit:"))?),
        _ => return Err(Usage(words::twice("limit"))),
    };
    let parsed = command::parse(&format!("history {}", filters.join(" ")));
    match parsed {
        Ok(Command::Ask(Question::History(filter))) if filter.user == Some(Who::Me) => {
            Err(Usage(words::NOBODY_IS_ME.to_owned()))
        }
        Ok(Command::Ask(Question::History(filter))) => Ok(Typed { filter, limit }),
        Err(GrammarError::Filter(error)) => Err(Usage(complaint(&error))),
        Err(_) | Ok(_) => Err(Usage(words::FILTERS_TOO_LONG.to_owned())),
    }
}

/// A number of deploys.
pub(super) fn number(text: &str) -> Result<usize, Usage> {
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| Usage(words::not_a_number(text)))
}

fn complaint(error: &FilterError) -> String {
    match error {
        FilterError::Bare { word } => words::bare_filter(word),
        FilterError::Unknown { key, near } => words::unknown_filter(key, *near),
        FilterError::Twice { key } => words::twice(key),
        FilterError::Value {
            key,
            value,
            expected,
        } => words::bad_filter(key, value, expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Typed, String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        parse(&words).map_err(|usage| usage.0)
    }

    #[test]
    fn the_words_are_those_of_slack() {
        let typed = read(&["branch:main status:failed", "since:7d", "limit:500"]).unwrap();
        assert_eq!(
            typed.filter.to_string(),
            "branch:main status:failed since:7days"
        );
        assert_eq!(typed.limit, Some(500));
        assert_eq!(read(&[]).unwrap().limit, None);
    }

    #[test]
    fn what_is_no_filter_is_answered() {
        let no = |words: &[&str]| read(words).unwrap_err();
        insta::assert_snapshot!(no(&["main"]), @"'main' is not a filter: write one as key:value, such as branch:main");
        insta::assert_snapshot!(no(&["brnch:main"]), @"there is no filter 'brnch': did you mean 'branch'? (user, branch, job, project, status, since, limit, before)");
        insta::assert_snapshot!(no(&["colour:red"]), @"there is no filter 'colour' (user, branch, job, project, status, since, limit, before)");
        insta::assert_snapshot!(no(&["job:a", "job:b"]), @"the filter 'job' is given twice: keep one");
        insta::assert_snapshot!(no(&["limit:1", "limit:2"]), @"the filter 'limit' is given twice: keep one");
        insta::assert_snapshot!(no(&["limit:0"]), @"'0' is not a number of deploys: write one from 1 on");
        insta::assert_snapshot!(no(&["since:yesterday"]), @"since:yesterday cannot be read: it takes a time such as `24h`, `7d` or `2w`, or a day such as `2026-11-30`");
        insta::assert_snapshot!(no(&["user:me"]), @"user:me means nobody here: name somebody, such as user:@ana or user:U012ABCDEF");
        insta::assert_snapshot!(no(&["branch:a\u{1b}[2J"]), @r"branch:a\u{1b}[2J cannot be read: it takes a branch's name, in full");
        insta::assert_snapshot!(no(&[&format!("branch:{}", "a".repeat(2000))]), @"the filters are longer than 1024 characters: take some out");
    }
}
