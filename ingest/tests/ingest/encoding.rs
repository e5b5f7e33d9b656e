//! UTF-8, and what is not.

use proptest::prelude::*;

use crate::requests::{command, deploy_form, signed};
use crate::support::TestIngest;

const REJECTED: &str = "Not a command: the form is not UTF-8.\n";

#[test]
fn what_is_not_utf_8_is_rejected() {
    let ingest = TestIngest::new();
    let body = deploy_form();
    for wrong in [
        body.replace("main", "ma%ffin").into_bytes(),
        body.replace("main", "ma%c0%afin").into_bytes(),
        body.replace("user_name", "user%80name").into_bytes(),
        [body.as_bytes(), b"&x=\xff"].concat(),
        [body.as_bytes(), b"&\xc3=x"].concat(),
        // An unknown field counts as well.
        format!("{body}&x=%ff").into_bytes(),
        format!("{body}&x=%FF").into_bytes(),
        // A character does not reach into the next field, and half of one is none.
        format!("{body}&x=%ef%bf&y=%bd").into_bytes(),
        format!("{body}&x%ef%bf=%bd").into_bytes(),
        format!("{body}&x=%ef%bf").into_bytes(),
        [body.as_bytes(), b"&x=\xef%bf"].concat(),
        // Too long, a surrogate, and beyond the last character.
        format!("{body}&x=%c0%80").into_bytes(),
        format!("{body}&x=%ed%a0%80").into_bytes(),
        format!("{body}&x=%f4%90%80%80").into_bytes(),
    ] {
        let answer = ingest.rejects_with(&signed(wrong), 400);
        assert_eq!(answer.text, REJECTED);
    }
}

#[test]
fn the_replacement_character_is_utf_8() {
    let ingest = TestIngest::new();
    let body = deploy_form();
    for right in [
        body.replace("runner", "%EF%BF%BDrunner").into_bytes(),
        body.replace("runner", "%ef%bf%bdrunner").into_bytes(),
        body.replace("runner", "\u{fffd}runner").into_bytes(),
        format!("{body}&%EF%BF%BD=%EF%BF%BD").into_bytes(),
        // However its bytes are written.
        [body.as_bytes(), b"&x=\xef%bf\xbd"].concat(),
        // What is no escape is kept.
        format!("{body}&x=%&y=%z&z=%e&a=%eg&b=100%").into_bytes(),
    ] {
        ingest.accepts(&signed(right));
    }
    // In the text it is an ordinary character, and not one of a branch.
    let ingest = TestIngest::new();
    ingest.only_answers(&command("ma\u{fffd}in deploy"), "cannot be a branch");
}

proptest! {
    /// The library's reading has U+FFFD if and only if the form is rejected: none of the pieces
    /// contains one.
    #[test]
    fn exactly_what_cannot_be_read_is_rejected(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                b"%".as_slice(), b"%c", b"%c3", b"%a9", b"%41", b"\xc3", b"\xa9", b"%e2%82",
                b"\xac", b"%AC", b"a", b"3", b"9", b"&", b"=", b"+", b"%26", b"%3d", b"%25",
            ]),
            0..12,
        ),
    ) {
        let body = pieces.concat();
        let unreadable = form_urlencoded::parse(&body)
            .any(|(key, value)| key.contains('\u{fffd}') || value.contains('\u{fffd}'));
        let answer = TestIngest::new().run(&signed(body));
        prop_assert_eq!(answer.text == REJECTED, unreadable);
    }
}
