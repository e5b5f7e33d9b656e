use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<AwsSettings, SettingsError> {
    AwsSettings::read(|name| {
        let found = pairs.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

const LAMBDA: [(&str, &str); 4] = [
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "hidden-key"),
    ("AWS_SESSION_TOKEN", "hidden-token"),
];

fn with<'a>(more: (&'a str, &'a str)) -> Vec<(&'a str, &'a str)> {
    LAMBDA.into_iter().chain([more]).collect()
}

#[test]
fn what_lambda_sets_is_enough() {
    let settings = read(&LAMBDA).unwrap();
    assert_eq!(settings.region, "eu-central-1");
    assert_eq!(settings.credentials.session_token(), Some("hidden-token"));
    assert_eq!(settings.endpoint, None);
    assert_eq!(settings.roots, TlsRoots::Amazon);
    AwsSdk::new(&settings).unwrap();
}

#[test]
fn what_is_missing_is_named() {
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let rest: Vec<_> = LAMBDA.into_iter().filter(|(n, _)| *n != name).collect();
        let error = read(&rest).unwrap_err();
        let expected = format!("{name} is not set: put ");
        assert!(error.to_string().starts_with(&expected));
        let empty: Vec<_> = rest.into_iter().chain([(name, "")]).collect();
        assert_eq!(read(&empty).unwrap_err(), error);
    }
}

#[test]
fn what_makes_no_sense_is_rejected() {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "127.0.0.1:4566"),
        ("CHATOPS_AWS_ROOTS", "mozilla"),
    ] {
        let error = read(&with((name, value))).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn both_sets_of_roots_make_a_client() {
    for (word, roots) in [("amazon", TlsRoots::Amazon), ("system", TlsRoots::System)] {
        let settings = read(&with(("CHATOPS_AWS_ROOTS", word))).unwrap();
        assert_eq!(settings.roots, roots);
        AwsSdk::new(&settings).unwrap();
    }
}

#[test]
fn credentials_are_not_shown() {
    let shown = format!("{:?}", read(&LAMBDA).unwrap());
    assert!(!shown.contains("hidden"), "{shown}");
}
