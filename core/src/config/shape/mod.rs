//! The shape of `chatops.toml`, declared once: its tables, keys, types and defaults. The check, the JSON
//! Schema and the tests of the documents read it. What values mean together is in `resolve`.

mod check;
mod json_schema;
mod keys;
mod value;

pub(super) use self::check::check_shape;
pub use self::json_schema::json_schema;
use self::keys::FILE;

/// A table with known keys.
#[derive(Debug)]
pub(super) struct Table {
    /// Its place in the file, such as `[projects.NAME]`; empty for the file itself.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) doc: &'static str,
    /// Its keys.
    pub(super) keys: &'static [Key],
}

impl Table {
    fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn key_names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// A key.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// Whether a table without it is a mistake.
    pub(super) is_required: bool,
    /// What holds where it is not written.
    pub(super) default: Default,
    /// A value, as TOML writes it.
    pub(super) example: &'static str,
    /// What it means, in a sentence.
    pub(super) doc: &'static str,
}

/// The default of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default {
    /// Nothing, or something that depends on other keys.
    None,
    /// A value, as JSON and TOML both write it.
    Value(&'static str),
    /// A duration.
    Seconds(u64),
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// The number of the format.
    Version,
    /// A whole number that is not negative.
    Count,
    /// `true` or `false`.
    Switch,
    /// A text.
    Text,
    /// A text that fits a pattern of JSON Schema, for editors. The check itself is in `resolve`.
    TextLike(&'static str),
    /// A duration such as `"90s"`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A text or a list of texts.
    TextOrTexts,
    /// A text, or `false` for none.
    TextOrFalse,
    /// What CircleCI takes as a parameter's value.
    Value,
    /// A list of such values.
    Values,
    /// Such a value, or the rule for one that people may set.
    ValueOrRule(&'static Table),
    /// A table.
    Table(&'static Table),
    /// A table whose keys are names that the file chooses.
    Named(&'static Kind),
}

impl Kind {
    /// The tables in it.
    fn table(self) -> Option<&'static Table> {
        match self {
            Self::Table(table) | Self::ValueOrRule(table) => Some(table),
            Self::Named(kind) => kind.table(),
            _ => None,
        }
    }

    /// What it takes, in words.
    fn words(self) -> String {
        match self {
            Self::Version => "the number 1".to_owned(),
            Self::Count => "a whole number".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Text | Self::TextLike(_) => "a text in quotes".to_owned(),
            Self::Duration => "a time such as \"90s\", \"10m\" or \"24h\"".to_owned(),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                let (last, before) = words
                    .split_last()
                    .map_or((String::new(), &[][..]), |(last, before)| {
                        (last.clone(), before)
                    });
                format!("{} or {last}", before.join(", "))
            }
            Self::Texts => "a list of texts".to_owned(),
            Self::TextOrTexts => "a text in quotes, or a list of them".to_owned(),
            Self::TextOrFalse => "a text in quotes, or false for none".to_owned(),
            Self::Value | Self::ValueOrRule(_) => {
                "a text in quotes, a whole number, true or false".to_owned()
            }
            Self::Values => "a list of texts, of whole numbers, or of true and false".to_owned(),
            Self::Table(_) | Self::Named(_) => "a table".to_owned(),
        }
    }
}

/// Every table of a shape, the outermost first.
fn all_tables(root: &'static Table) -> Vec<&'static Table> {
    let below = root.keys.iter().filter_map(|key| key.kind.table());
    let below = below.flat_map(all_tables);
    std::iter::once(root).chain(below).collect()
}

/// The tables of a file.
#[cfg(test)]
pub(super) fn all_tables_of_file() -> Vec<&'static Table> {
    all_tables(&FILE)
}

/// Keys of earlier drafts of the format, and their names now.
pub(super) const RENAMED_KEYS: [(&str, &str); 17] = [
    ("people", "users"),
    ("times", "timeouts"),
    ("reply_origins", "response_url_origins"),
    ("stale_after", "request_ttl"),
    ("send_window", "trigger_window"),
    ("horizon", "lookup_timeout"),
    ("search_for", "lookup_give_up"),
    ("grace", "workflow_start_timeout"),
    ("poll_first", "poll_interval_min"),
    ("poll_longest", "poll_interval_max"),
    ("retry_first", "retry_backoff"),
    ("track_for", "follow_timeout"),
    ("unresolved_lock", "lock_ttl"),
    ("unresolved_lock_ttl", "lock_ttl"),
    ("reply_for", "response_url_ttl"),
    ("reply_lease", "delivery_lease"),
    ("sweep_every", "sweep_interval"),
];

/// A duration as a file writes it: `10m`.
fn duration_text(seconds: u64) -> String {
    match seconds {
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
