//! `Retry-After`, the only number of a vendor that this program waits for.

use std::time::{Duration, SystemTime};

use chatops_core::ports::MAX_ASKED_PAUSE;
use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use crate::cut_name;

/// What a header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A pause.
    Pause(Duration),
    /// A longer one than is granted.
    TooLong,
    /// Less than nothing.
    Negative,
    /// Nothing that can be understood.
    Unreadable,
}

/// The pause that an answer asks for, at most [`MAX_ASKED_PAUSE`]: seconds, or a date. Of several the
/// longest counts. `None` if there is none that can be read.
pub(super) fn retry_after(headers: &HeaderMap, host: Option<&str>) -> Option<Duration> {
    let mut values = headers.get_all(RETRY_AFTER).iter().peekable();
    values.peek()?;
    let now = vendor_clock(headers);
    let asked: Vec<_> = values.map(|value| (value, parse(value, now))).collect();
    let absurd = asked
        .iter()
        .find(|(_, asked)| !matches!(asked, Asked::Pause(_)));
    if let Some((value, asked)) = absurd {
        let value = cut_name(&String::from_utf8_lossy(value.as_bytes()));
        tracing::warn!(
            host,
            ?value,
            ?asked,
            "a Retry-After that cannot be meant: at most five minutes are waited"
        );
    }
    asked.iter().filter_map(|(_, asked)| asked.granted()).max()
}

impl Asked {
    fn granted(self) -> Option<Duration> {
        match self {
            Self::Pause(pause) => Some(pause),
            Self::TooLong => Some(MAX_ASKED_PAUSE),
            Self::Negative => Some(Duration::ZERO),
            Self::Unreadable => None,
        }
    }

    fn of(pause: Duration) -> Self {
        if pause > MAX_ASKED_PAUSE {
            Self::TooLong
        } else {
            Self::Pause(pause)
        }
    }
}

/// The vendor's clock, which its dates go by; ours if it shows none.
fn vendor_clock(headers: &HeaderMap) -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "a moment of the wire, to be compared with another; at most five minutes come of it"
    )]
    let ours = SystemTime::now;
    headers.get(DATE).and_then(parse_date).unwrap_or_else(ours)
}

/// A date of HTTP in any of its three forms, or one with a numeric zone.
pub(super) fn parse_date(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?.trim();
    httpdate::parse_http_date(text).ok().or_else(|| {
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        Some(date.into())
    })
}

fn parse(value: &HeaderValue, now: SystemTime) -> Asked {
    let text = String::from_utf8_lossy(value.as_bytes());
    let text = text.trim();
    if let Some(number) = text.strip_prefix('-') {
        return parse_seconds(number).map_or(Asked::Unreadable, |_| Asked::Negative);
    }
    if let Some(seconds) = parse_seconds(text) {
        return Asked::of(seconds);
    }
    match parse_date(value) {
        // A moment that has passed asks for nothing.
        Some(date) => Asked::of(date.duration_since(now).unwrap_or_default()),
        None => Asked::Unreadable,
    }
}

/// Whole seconds of any size; a fraction counts as one more.
fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    // Digits alone fail only by being too many.
    let whole: u64 = whole.parse().unwrap_or(u64::MAX);
    let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole.saturating_add(more)))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;

    use proptest::prelude::{any, proptest};

    use super::*;

    const NOW: &str = "Wed, 21 Oct 2026 07:28:00 GMT";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static(NOW));
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(RETRY_AFTER, value);
        }
        headers
    }

    #[test]
    fn every_value_has_its_meaning() {
        use Asked::{Negative, Pause, TooLong, Unreadable};
        let seconds = |seconds| Pause(Duration::from_secs(seconds));
        for (value, asked) in [
            ("0", seconds(0)),
            ("7", seconds(7)),
            (" 7 ", seconds(7)),
            ("007", seconds(7)),
            ("1.0", seconds(1)),
            ("1.5", seconds(2)),
            ("0.001", seconds(1)),
            ("300", seconds(300)),
            ("300.5", TooLong),
            ("301", TooLong),
            ("3600", TooLong),
            ("86400", TooLong),
            ("1764284400", TooLong),
            ("1764284400000", TooLong),
            ("18446744073709551615", TooLong),
            ("99999999999999999999999", TooLong),
            ("-1", Negative),
            ("-99999999999999999999999", Negative),
            ("-0", Negative),
            ("Wed, 21 Oct 2026 07:28:30 GMT", seconds(30)),
            ("Wednesday, 21-Oct-26 07:28:30 GMT", seconds(30)),
            ("Wed Oct 21 07:28:30 2026", seconds(30)),
            ("Wed, 21 Oct 2026 09:28:30 +0200", seconds(30)),
            ("Wed, 21 Oct 2026 07:33:00 GMT", seconds(300)),
            ("Wed, 21 Oct 2026 07:33:01 GMT", TooLong),
            ("Fri, 31 Dec 9999 23:59:59 GMT", TooLong),
            (NOW, seconds(0)),
            ("Tue, 20 Oct 2026 07:28:00 GMT", seconds(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", seconds(0)),
            ("Wed, 21 Oct 2026 25:61:00 GMT", Unreadable),
            ("tomorrow", Unreadable),
            ("7s", Unreadable),
            ("7, 8", Unreadable),
            ("+7", Unreadable),
            ("1e9", Unreadable),
            ("1.", Unreadable),
            (".5", Unreadable),
            ("--1", Unreadable),
            ("-", Unreadable),
            ("NaN", Unreadable),
            ("inf", Unreadable),
            ("\u{e9}", Unreadable),
            ("\u{663}", Unreadable),
            ("", Unreadable),
        ] {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            let now = vendor_clock(&headers(&[]));
            assert_eq!(parse(&value, now), asked, "{value:?}");
        }
    }

    #[test]
    fn nothing_longer_than_the_cap_is_granted() {
        let granted = |values| retry_after(&headers(values), None);
        let seconds = Duration::from_secs;
        assert_eq!(granted(&[]), None);
        assert_eq!(granted(&["86400"]), Some(MAX_ASKED_PAUSE));
        assert_eq!(granted(&["-3"]), Some(seconds(0)));
        assert_eq!(granted(&["x"]), None);
        assert_eq!(granted(&["x", "7", "9", "-1"]), Some(seconds(9)));
    }

    thread_local! {
        static LINES: RefCell<Vec<u8>> = const { RefCell::new(vec![]) };
    }

    struct LogCapture;

    impl io::Write for LogCapture {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_meant_is_logged_once() {
        let endless = "x".repeat(5_000);
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(|| LogCapture)
            .finish();
        tracing::subscriber::with_default(log, || {
            // Another test may be the first to come by, and note just now that nobody listens.
            while LINES.take().is_empty() {
                tracing::callsite::rebuild_interest_cache();
                retry_after(&headers(&["soon"]), None);
            }
            for (values, lines) in [
                (&["7", NOW] as &[&str], 0),
                (&["1764284400"], 1),
                (&["-1", "86400", "soon"], 1),
                (&[&endless], 1),
            ] {
                retry_after(&headers(values), Some("circleci.com"));
                let log = String::from_utf8(LINES.take()).unwrap();
                assert_eq!(log.lines().count(), lines, "{log}");
                assert_eq!(
                    log.contains("WARN") && log.contains("circleci.com"),
                    lines > 0
                );
                assert!(log.len() < 1_000, "{log}");
            }
        });
    }

    #[test]
    fn a_date_goes_by_our_clock_if_the_vendor_shows_none() {
        let mut headers = headers(&["Thu, 01 Jan 1970 00:00:00 GMT"]);
        headers.remove(DATE);
        assert_eq!(retry_after(&headers, None), Some(Duration::ZERO));
        headers.insert(DATE, HeaderValue::from_static("yesterday"));
        assert_eq!(retry_after(&headers, None), Some(Duration::ZERO));
        let later = HeaderValue::from_static("Fri, 31 Dec 9999 23:59:59 GMT");
        headers.insert(RETRY_AFTER, later);
        assert_eq!(retry_after(&headers, None), Some(MAX_ASKED_PAUSE));
    }

    proptest! {
        #[test]
        fn any_header_asks_for_at_most_the_cap(
            bytes in any::<Vec<u8>>(),
            number in any::<i128>(),
            words in "[-+.,:0-9 A-Za-z]{0,40}",
            date in "[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
        ) {
            for value in [&bytes[..], number.to_string().as_bytes(), words.as_bytes(), date.as_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(value) else { continue };
                let mut headers = headers(&[]);
                headers.insert(RETRY_AFTER, value);
                let granted = retry_after(&headers, None).unwrap_or_default();
                assert!(granted <= MAX_ASKED_PAUSE);
            }
        }
    }
}
