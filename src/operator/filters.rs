//! The filters of `chatops history`, as in Slack.

use chatops_core::command::{
    self, ChatCommand, FilterError, GrammarError, HistoryFilter, Query, UserFilter,
};

use super::{UsageError, text};

/// The typed filters, and the number of deploys of `limit:`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TypedFilters {
    pub(super) filter: HistoryFilter,
    pub(super) limit: Option<usize>,
}

/// Parses the filters. `limit:` may be larger than in Slack.
pub(super) fn parse(typed: &[String]) -> Result<TypedFilters, UsageError> {
    let (limits, filters): (Vec<&str>, Vec<&str>) = typed
        .iter()
        .flat_map(|word| word.split_whitespace())
        .partition(|word| word.starts_with("limit:"));
    let limit = match limits.as_slice() {
        [] => None,
        [limit] => Some(parse_limit(limit.trim_start_matches("limit:"))?),
        _ => return Err(UsageError(text::filter_twice("limit"))),
    };
    let parsed = command::parse(&format!("history {}", filters.join(" ")));
    match parsed {
        Ok(ChatCommand::Query(Query::History(filter))) if filter.user == Some(UserFilter::Me) => {
            Err(UsageError(text::NOBODY_IS_ME.to_owned()))
        }
        Ok(ChatCommand::Query(Query::History(filter))) => Ok(TypedFilters { filter, limit }),
        Err(GrammarError::Filter(error)) => Err(UsageError(filter_error(&error))),
        Err(_) | Ok(_) => Err(UsageError(text::FILTERS_TOO_LONG.to_owned())),
    }
}

pub(super) fn parse_limit(text: &str) -> Result<usize, UsageError> {
    let number = text.parse().ok().filter(|n| *n > 0);
    number.ok_or_else(|| UsageError(text::not_a_number(text)))
}

fn filter_error(error: &FilterError) -> String {
    match error {
        FilterError::MissingColon { word } => text::bare_filter(word),
        FilterError::UnknownKey { key, suggestion } => text::unknown_filter(key, *suggestion),
        FilterError::DuplicateKey { key } => text::filter_twice(key),
        FilterError::InvalidValue {
            key,
            value,
            expected,
        } => text::bad_filter(key, value, expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<TypedFilters, String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        parse(&words).map_err(|usage| usage.0)
    }

    #[test]
    fn the_filters_are_those_of_slack() {
        let typed = parse_words(&["branch:main status:failed", "since:7d", "limit:500"]).unwrap();
        let filter = typed.filter.to_string();
        assert_eq!(filter, "branch:main status:failed since:1w");
        assert_eq!(typed.limit, Some(500));
        assert_eq!(parse_words(&[]).unwrap().limit, None);
    }

    #[test]
    fn what_is_no_filter_is_answered() {
        let no = |words: &[&str]| parse_words(words).unwrap_err();
        insta::assert_snapshot!(no(&["main"]), @"'main' is not a filter: write one as key:value, such as branch:main");
        insta::assert_snapshot!(no(&["brnch:main"]), @"there is no filter 'brnch': did you mean 'branch'? (user, branch, tag, job, project, env, status, since, limit, before)");
        insta::assert_snapshot!(no(&["colour:red"]), @"there is no filter 'colour' (user, branch, tag, job, project, env, status, since, limit, before)");
        insta::assert_snapshot!(no(&["job:a", "job:b"]), @"the filter 'job' is given twice: keep one");
        insta::assert_snapshot!(no(&["limit:1", "limit:2"]), @"the filter 'limit' is given twice: keep one");
        insta::assert_snapshot!(no(&["limit:0"]), @"'0' is not a number of deploys: give one of at least 1");
        insta::assert_snapshot!(no(&["since:tomorrow"]), @"since:tomorrow cannot be read: it takes a time such as `24h`, `7d` or `2w`, a day (UTC) such as `2026-11-30`, `today` or `yesterday`");
        insta::assert_snapshot!(no(&["user:me"]), @"user:me is not known here: name a user, such as user:@ana or user:U012ABCDEF");
        insta::assert_snapshot!(no(&["branch:a\u{1b}[2J"]), @r"branch:a\u{1b}[2J cannot be read: it takes a branch's name, in full");
        insta::assert_snapshot!(no(&[&format!("branch:{}", "a".repeat(2000))]), @"the filters are longer than 1024 characters: remove some");
    }
}
