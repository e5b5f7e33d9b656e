//! Text for Slack, escaped as it is put together.

use std::fmt::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Time;
use crate::id::ChannelId;
use crate::name::GitRef;

/// A piece of Slack's mrkdwn. It is built from literals, which are kept as they are, and foreign
/// text, which is escaped; mentions and links are made only from typed values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[must_use]
pub struct Mrkdwn(String);

impl Mrkdwn {
    /// A line that begins with a literal.
    pub fn new(ours: &'static str) -> Self {
        Self(ours.to_owned())
    }

    /// A literal.
    pub fn and(mut self, ours: &'static str) -> Self {
        self.0.push_str(ours);
        self
    }

    /// Foreign text, as running text. Characters that would format it are disarmed.
    pub fn escaped(mut self, text: &str) -> Self {
        for c in text.chars() {
            match c {
                // A code span begins at any backtick.
                '`' => self.0.push('\''),
                '*' | '_' | '~' => {
                    // After a zero-width space Slack shows the mark and does not format.
                    self.0.push('\u{200b}');
                    self.0.push(c);
                }
                _ => self.push_escaped(c),
            }
        }
        self
    }

    /// Foreign text, in a code span.
    pub fn code(mut self, text: impl fmt::Display) -> Self {
        self.0.push('`');
        for c in text.to_string().chars() {
            self.push_escaped(if c == '`' { '\'' } else { c });
        }
        self.0.push('`');
        self
    }

    /// A branch, or "tag" and its name.
    pub fn git_ref(self, git_ref: &GitRef) -> Self {
        let line = match git_ref {
            GitRef::Branch(_) => self,
            GitRef::Tag(_) => self.and("tag "),
        };
        line.code(git_ref.name())
    }

    /// Several code spans, with commas; at most 20, and how many more there are.
    pub fn codes<T: fmt::Display>(mut self, items: &[T]) -> Self {
        for (i, item) in items.iter().take(20).enumerate() {
            if i > 0 {
                self.0.push_str(", ");
            }
            self = self.code(item);
        }
        if items.len() > 20 {
            self.push_fmt(format_args!(" and {} more", items.len() - 20));
        }
        self
    }

    /// A mention of a channel.
    pub fn channel(mut self, channel: &ChannelId) -> Self {
        self.push_fmt(format_args!("<#{channel}>"));
        self
    }

    /// A link with a label.
    pub fn link(mut self, url: &Url, label: impl fmt::Display) -> Self {
        self.0.push('<');
        for c in url.as_str().chars() {
            match c {
                '|' => self.0.push_str("%7C"),
                '>' => self.0.push_str("%3E"),
                c => self.push_escaped(c),
            }
        }
        self.0.push('|');
        for c in label.to_string().chars() {
            self.push_escaped(if c == '|' { '/' } else { c });
        }
        self.0.push('>');
        self
    }

    /// A label, linked where there is an address, as code otherwise.
    pub fn linked(self, url: Option<&Url>, label: impl fmt::Display) -> Self {
        match url {
            Some(url) => self.link(url, label),
            None => self.code(label),
        }
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many characters it takes inside JSON.
    pub(super) fn length(&self) -> usize {
        json_length(&self.0)
    }

    /// Appends lines, with `between` between them.
    pub(super) fn and_lines(mut self, lines: &[Mrkdwn], between: &'static str) -> Self {
        for (i, line) in lines.iter().enumerate() {
            self = self.and(if i == 0 { "" } else { between }).append(line);
        }
        self
    }

    /// Appends another line.
    pub fn append(mut self, line: &Mrkdwn) -> Self {
        self.0.push_str(&line.0);
        self
    }

    /// A sentence of this program that is made at run time and may hold code spans.
    pub(super) fn trusted(mut self, ours: &str) -> Self {
        ours.chars().for_each(|c| self.push_escaped(c));
        self
    }

    /// A moment, which Slack shows in the reader's own time zone.
    pub fn time(mut self, at: Time) -> Self {
        let fallback = at.format("%Y-%m-%d %H:%M UTC");
        let seconds = at.timestamp();
        self.push_fmt(format_args!(
            "<!date^{seconds}^{{date_short_pretty}} {{time}}|{fallback}>"
        ));
        self
    }

    /// A moment, and how long ago that is whenever it is read.
    pub fn since(mut self, at: Time) -> Self {
        let fallback = at.format("%Y-%m-%d %H:%M UTC");
        let seconds = at.timestamp();
        self.push_fmt(format_args!(
            "<!date^{seconds}^{{date_short_pretty}} {{time}} ({{ago}})|{fallback}>"
        ));
        self
    }

    /// A number.
    pub fn number(mut self, number: impl Into<u64>) -> Self {
        self.0.push_str(&number.into().to_string());
        self
    }

    /// A duration, in the two largest units that matter.
    pub fn duration(mut self, duration: Duration) -> Self {
        let s = duration.as_secs();
        match s {
            0 => self.0.push_str("less than a second"),
            1..60 => self.push_fmt(format_args!("{s} s")),
            60..3_600 => self.push_fmt(format_args!("{} min {} s", s / 60, s % 60)),
            _ => self.push_fmt(format_args!("{} h {} min", s / 3_600, s % 3_600 / 60)),
        }
        self
    }

    /// About how long something takes, in its largest unit.
    pub fn about(mut self, duration: Duration) -> Self {
        let s = duration.as_secs();
        match s {
            0..55 => self.push_fmt(format_args!("{} s", s.max(1))),
            55..3_570 => self.push_fmt(format_args!("{} min", (s + 30) / 60)),
            _ => {
                let minutes = (s + 30) / 60;
                self.push_fmt(format_args!("{} h {} min", minutes / 60, minutes % 60));
            }
        }
        self
    }

    /// A duration of the configuration, in its largest whole unit.
    pub fn period(mut self, duration: Duration) -> Self {
        let s = duration.as_secs();
        let (n, unit) = match (s % 3_600, s % 60) {
            (0, _) => (s / 3_600, "hour"),
            (_, 0) => (s / 60, "minute"),
            _ => (s, "second"),
        };
        self.push_fmt(format_args!("{n} {unit}{}", if n == 1 { "" } else { "s" }));
        self
    }

    /// The line, cut so that it takes at most `limit` characters inside a JSON text, without
    /// leaving half an entity, mention or code span.
    #[must_use]
    pub fn truncated(&self, limit: usize) -> String {
        let fits = |limit: usize| {
            let mut taken = 0;
            let end = self.0.char_indices().find_map(|(at, c)| {
                taken += json_width(c);
                (taken > limit).then_some(at)
            });
            end.unwrap_or(self.0.len())
        };
        if fits(limit) == self.0.len() {
            return self.0.clone();
        }
        // Room for the mark that it was cut, and for the end of a code span.
        let mut kept = self.0[..fits(limit.saturating_sub(2))].to_owned();
        for (open, close) in [('<', '>'), ('&', ';')] {
            if let Some(at) = kept.rfind(open)
                && !kept[at..].contains(close)
            {
                kept.truncate(at);
            }
        }
        if kept.matches('`').count() % 2 == 1 {
            kept.push('`');
        }
        kept.push('…');
        kept
    }

    pub(super) fn push_fmt(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.0.write_fmt(text);
    }

    /// Slack's own three entities, and no line breaks, which would leave a quote or a code span.
    fn push_escaped(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            c if c.is_control() || is_bidi_or_break(c) => self.0.push(' '),
            c => self.0.push(c),
        }
    }
}

/// A text of at most `longest` characters, cut with a mark.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

/// How many characters a text takes inside JSON.
pub(super) fn json_length(text: &str) -> usize {
    text.chars().map(json_width).sum()
}

/// Quotes, backslashes and line breaks take two characters in JSON.
fn json_width(c: char) -> usize {
    if matches!(c, '"' | '\\' | '\n') { 2 } else { 1 }
}

/// Characters that change the direction of the text or break the line.
fn is_bidi_or_break(c: char) -> bool {
    matches!(
        c,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}'
    )
}

impl fmt::Display for Mrkdwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_text_cannot_mention_link_or_format() {
        let line = Mrkdwn::new("").escaped("<!channel> *b* `c` & <https://evil|ok>\n> quote");
        let shown = line.to_string().replace('\u{200b}', "\\");
        insta::assert_snapshot!(shown, @r"&lt;!channel&gt; \*b\* 'c' &amp; &lt;https://evil|ok&gt; &gt; quote");
        insta::assert_snapshot!(Mrkdwn::new("").code("a`b<!here>\nc"), @"`a'b&lt;!here&gt; c`");
    }

    #[test]
    fn moments_are_shown_in_the_readers_time() {
        let line = Mrkdwn::new("").time(crate::fixtures::start());
        insta::assert_snapshot!(line, @"<!date^1800000000^{date_short_pretty} {time}|2027-01-15 08:00 UTC>");
    }

    #[test]
    fn durations_read_well() {
        let text = |s| Mrkdwn::new("").duration(Duration::from_secs(s)).to_string();
        assert_eq!(text(0), "less than a second");
        assert_eq!(text(59), "59 s");
        assert_eq!(text(192), "3 min 12 s");
        assert_eq!(text(3_725), "1 h 2 min");
        let text = |s| Mrkdwn::new("").about(Duration::from_secs(s)).to_string();
        assert_eq!(text(0), "1 s");
        assert_eq!(text(54), "54 s");
        assert_eq!(text(55), "1 min");
        assert_eq!(text(250), "4 min");
        assert_eq!(text(3_569), "59 min");
        assert_eq!(text(3_570), "1 h 0 min");
        assert_eq!(text(7_500), "2 h 5 min");
        let text = |s| Mrkdwn::new("").period(Duration::from_secs(s)).to_string();
        assert_eq!(text(86_400), "24 hours");
        assert_eq!(text(3_600), "1 hour");
        assert_eq!(text(5_400), "90 minutes");
        assert_eq!(text(61), "61 seconds");
    }

    proptest! {
        #[test]
        fn no_foreign_character_reaches_slack_unescaped(text in "\\PC{0,60}", limit in 2_usize..80) {
            for line in [Mrkdwn::new("").escaped(&text), Mrkdwn::new("").code(&text)] {
                for shown in [line.to_string(), line.truncated(limit)] {
                    prop_assert!(!shown.contains(['<', '>', '\n']));
                    for (at, _) in shown.match_indices('&') {
                        let entity = ["&amp;", "&lt;", "&gt;"];
                        prop_assert!(entity.iter().any(|e| shown[at..].starts_with(e)));
                    }
                }
                prop_assert!(serde_json::to_string(&line.truncated(limit)).unwrap().chars().count() <= limit + 2);
            }
        }
    }
}
