use proptest::prelude::*;

use super::*;

/// What is shown of a connection string, and the names of the parts that were taken.
fn shown(text: &str) -> (String, Vec<String>) {
    let shown = take(text).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(*put(&shown.text, &shown.parts), text);
    (shown.text, shown.parts.into_iter().map(|part| part.name).collect())
}

#[test]
fn each_kind_of_string_loses_its_secrets_alone() {
    for (text, expected, names) in [
        (
            "Server=S;Database=D;User ID=U;Password=P;Timeout=60",
            "Server=S;Database=D;User ID=U;Timeout=60",
            vec!["password"],
        ),
        ("Server=S; Pass word = hush ;Encrypt=true;", "Server=S;Encrypt=true;", vec!["password"]),
        ("DSN=d;UID=u;PWD={a;b}}c};X=1", "DSN=d;UID=u;X=1", vec!["pwd"]),
        (r#"Password="a;""b";User ID=u"#, "User ID=u", vec!["password"]),
        ("User ID=u;Password='it''s;P=1'", "User ID=u", vec!["password"]),
        (
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=aHVzaA==;EndpointSuffix=core.windows.net",
            "DefaultEndpointsProtocol=https;AccountName=a;EndpointSuffix=core.windows.net",
            vec!["accountkey"],
        ),
        (
            "BlobEndpoint=https://a/;SharedAccessSignature=sv=1&sig=x%3D",
            "BlobEndpoint=https://a/",
            vec!["sharedaccesssignature"],
        ),
        ("BlobEndpoint=https://a/?sv=1&sig=x;X=1", "X=1", vec!["blobendpoint"]),
        (
            "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k=",
            "Endpoint=sb://a/;SharedAccessKeyName=n",
            vec!["sharedaccesskey"],
        ),
        (
            "AccountEndpoint=https://a/;AccountKey=k==;Database=d",
            "AccountEndpoint=https://a/;Database=d",
            vec!["accountkey"],
        ),
        (r#"Server=s;CredString=[{"user":"u","pass":"a;b"}];AuthMech=1"#, "Server=s;AuthMech=1", vec!["credstring"]),
        ("Host=h;SSL Password=a;Ssl_Password=b;Passcode=c", "Host=h", vec!["sslpassword", "sslpassword 2", "passcode"]),
        ("mongodb+srv://u:p%40w@h/db?x=1", "mongodb+srv://u@h/db?x=1", vec!["userinfo"]),
        ("mongodb://u:p/w@h", "mongodb://u@h", vec!["userinfo"]),
        (
            "jdbc:snowflake://a.b.com/?user=u@x.de&password=p&db=d",
            "jdbc:snowflake://a.b.com/?user=u@x.de&db=d",
            vec!["password"],
        ),
        (
            "jdbc:sqlserver://h:1;user=u;password=p;encrypt=true",
            "jdbc:sqlserver://h:1;user=u;encrypt=true",
            vec!["password"],
        ),
        ("Driver=d;URL='jdbc:x://h?user=u&password=p';T=1", "Driver=d;T=1", vec!["url"]),
        ("Provider=p;Extended Properties=\"Excel;PWD=x\";T=1", "Provider=p", vec!["extendedproperties"]),
        ("Password=P", "", vec!["password"]),
        ("Password=P;", "", vec!["password"]),
        (
            "Server=S;Persist Security Info=False;Authentication=Active Directory Password",
            "Server=S;Persist Security Info=False;Authentication=Active Directory Password",
            vec![],
        ),
        ("Server=S;Password=;PWD= ", "Server=S;Password=;PWD= ", vec![]),
        ("no keyword at all", "no keyword at all", vec![]),
        ("", "", vec![]),
    ] {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        assert_eq!(shown(text), (expected.to_owned(), names), "{text}");
    }
}

#[test]
fn a_quote_that_does_not_end_hides_no_secret() {
    for text in [
        "Password=\"a;Server=b",
        "Password={a;b",
        "App=\"x;Password=hush",
        "App='x;Password=hush;y=\"",
        "App={x;Password=hush",
    ] {
        let (shown, _) = shown(text);
        assert!(!shown.contains("hush") && !shown.contains("a;"), "{shown}");
    }
}

#[test]
fn the_mask_is_no_secret() {
    let taken = take("Server=S;Password=**********;AccountKey=k").unwrap();
    assert_eq!((taken.text.as_str(), taken.masked), ("Server=S", vec!["password".to_owned()]));
    assert_eq!(taken.parts[0].name, "accountkey");
    assert_eq!(take("mongodb://u:**********@h").unwrap().masked, ["userinfo"]);
}

#[test]
fn a_reference_is_read_and_is_no_secret() {
    let text = "Server=S;EncryptedCredential=abc==;T=1";
    assert_eq!((reference(text), without_reference(text).as_str()), (Some("abc=="), "Server=S;T=1"));
    assert_eq!(shown(text).0, text);
    assert_eq!(reference("Server=S;EncryptedCredential="), None);
}

#[test]
fn a_secret_goes_back_into_a_string_that_was_changed() {
    let taken = take("Server=S;Password=P;Timeout=60").unwrap();
    assert_eq!(*put("Server=Other;Timeout=30", &taken.parts), "Server=Other;Password=P;Timeout=30");
    assert_eq!(*put("Server=Other", &taken.parts), "Server=Other;Password=P");
}

fn part() -> impl Strategy<Value = String> {
    let secret = prop_oneof![
        Just("hushhush".to_owned()),
        Just("{hush;hush}}x}".to_owned()),
        Just("\"hush;\"\"hush\"".to_owned()),
        Just("'hush;''hush'".to_owned()),
        Just("hush==".to_owned())
    ];
    let keyword = prop::sample::select(vec!["Password", "PWD", "Account Key", "sharedAccessKey", "Client_Secret"]);
    prop_oneof![
        (keyword, secret).prop_map(|(keyword, secret)| format!("{keyword}={secret}")),
        "[A-Za-z ]{0,6}=[a-z0-9 {}\"']{0,5}".prop_map(|text| text),
        Just(String::new()),
    ]
}

proptest! {
    #[test]
    fn what_is_taken_goes_back_and_no_secret_is_left(parts in prop::collection::vec(part(), 0..6)) {
        let text = parts.join(";");
        if let Some(shown) = take(&text) {
            prop_assert_eq!(&*put(&shown.text, &shown.parts), &text);
            prop_assert!(!shown.text.contains("hush"), "{} of {}", shown.text, text);
        }
    }

    #[test]
    fn any_text_is_taken_and_put_back_or_is_a_secret_as_a_whole(text in "[a-zPp=;&?@:/\"'{}\\[\\]* ]{0,40}") {
        if let Some(shown) = take(&text).filter(|shown| shown.masked.is_empty()) {
            prop_assert_eq!(&*put(&shown.text, &shown.parts), &text);
        }
    }
}
