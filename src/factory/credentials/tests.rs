use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;

const RULES: Rules = Rules::LinkedService;

fn pointers(secrets: &Secrets) -> Vec<&str> {
    secrets.keys().map(Place::as_str).collect()
}

#[test]
fn each_secret_is_taken_and_goes_back() {
    let definition = json!({
        "type": "SqlServer",
        "name": "as it is",
        "typeProperties": {
            "connectionString": "Server=S;Password=P;Timeout=60",
            "userName": "u",
            "password": {"type": "securestring", "value": "hush"},
            "accountKey": "hush",
            "authHeaders": {"x-a/b": {"type": "SecureString", "value": "hush"}, "x-c": "hush"},
            "connectionProperties": {"clientSecret": "hush", "useEncryptedEndpoints": true},
            "sasToken": ["hush", "hush"],
            "key": "no secret of this type",
            "credential": {"type": "CredentialReference", "referenceName": "c"},
            "servicePrincipalKey": {"type": "AzureKeyVaultSecret", "secretName": "s"},
            "privateKey": "",
        },
        "parameters": {
            "p": {"type": "SecureString", "defaultValue": "hush"},
            "q": {"type": "SecureString"},
            "password": {"type": "String", "defaultValue": "open"},
        },
        "connectVia": {"type": "integrationRuntimeReference", "referenceName": "ir"},
    });
    let taken = take_out(RULES, definition.clone()).unwrap();
    let shown = json!({
        "type": "SqlServer",
        "name": "as it is",
        "typeProperties": {
            "connectionString": "Server=S;Timeout=60",
            "userName": "u",
            "password": {"type": "securestring", "value": "**********"},
            "authHeaders": {"x-a/b": {"type": "SecureString", "value": "**********"}},
            "connectionProperties": {"useEncryptedEndpoints": true},
            "sasToken": ["**********", "**********"],
            "key": "no secret of this type",
            "credential": {"type": "CredentialReference", "referenceName": "c"},
            "servicePrincipalKey": {"type": "AzureKeyVaultSecret", "secretName": "s"},
            "privateKey": "",
        },
        "parameters": {
            "p": {"type": "SecureString", "defaultValue": "**********"},
            "q": {"type": "SecureString"},
            "password": {"type": "String", "defaultValue": "open"},
        },
        "connectVia": {"type": "integrationRuntimeReference", "referenceName": "ir"},
    });
    assert_eq!(taken.properties, shown);
    assert_eq!(
        pointers(&taken.secrets),
        [
            "/parameters/p/defaultValue",
            "/typeProperties/accountKey",
            "/typeProperties/authHeaders/x-a~1b",
            "/typeProperties/authHeaders/x-c",
            "/typeProperties/connectionProperties/clientSecret",
            "/typeProperties/connectionString~;password",
            "/typeProperties/password",
            "/typeProperties/sasToken/0",
            "/typeProperties/sasToken/1",
        ]
    );
    assert_eq!(put_back(RULES, taken.properties, &taken.secrets).unwrap().0, definition);
}

#[test]
fn a_key_is_a_secret_of_azure_search_alone() {
    let definition = json!({"type": "AzureSearch", "typeProperties": {"url": "https://s", "key": "hush"}});
    let taken = take_out(RULES, definition).unwrap();
    assert_eq!(taken.properties, json!({"type": "AzureSearch", "typeProperties": {"url": "https://s"}}));
}

#[test]
fn a_credential_is_text_and_a_secure_string_has_one() {
    let refused = |own: Value| take_out(RULES, json!({"type": "X", "typeProperties": own})).map(drop).unwrap_err();
    let at = || "/typeProperties/password".to_owned();
    assert_eq!(refused(json!({"password": 5})), Unusable::NoText { at: at() });
    assert_eq!(refused(json!({"password": {"type": "SecureString", "value": 5}})), Unusable::NoText { at: at() });
    assert_eq!(refused(json!({"password": {"type": "SecureString", "value": null}})), Unusable::NoValue { at: at() });
    assert!(take_out(RULES, json!({"type": "X", "typeProperties": {"password": null}})).is_ok());
}

#[test]
fn where_nothing_refers_to_a_secret_it_is_masked_in_its_place() {
    let sign_in = |text: &str| json!({"type": "Basic", "username": "u", "password": text});
    let pipeline = |text: &str| {
        let activity = json!({"name": "a", "typeProperties": {"url": "https://a", "authentication": sign_in(text), "password": "open"}});
        json!({"activities": [activity], "variables": {"v": {"type": "SecureString"}}})
    };
    let principal = |text: &str| json!({"type": "ServicePrincipal", "typeProperties": {"servicePrincipalKey": text, "tenant": "t"}});
    for (rules, given, shown) in
        [(Rules::Other, pipeline("hush"), pipeline(MASK)), (Rules::Credential, principal("hush"), principal(MASK))]
    {
        let taken = take_out(rules, given.clone()).unwrap();
        assert_eq!(taken.properties, shown);
        let kept: BTreeMap<_, _> = taken.secrets.clone();
        let again = take_out(rules, shown.clone()).unwrap();
        let keeping = again.keeping_by_place(Some(Kept { properties: &shown, sealed: &kept })).unwrap();
        assert_eq!((&keeping.properties, &keeping.sealed), (&shown, &kept));
        assert_eq!(put_back(rules, shown.clone(), &keeping.sealed).unwrap().0, given);
        let elsewhere = take_out(rules, shown).unwrap().keeping_by_place::<()>(None).map(drop);
        assert!(matches!(elsewhere, Err(Unusable::Masked { .. })));
    }
}

/// What is kept of a linked service after each PUT of `definitions`, sealed as the text itself: what is shown, and the secrets.
fn kept(definitions: &[Value]) -> Result<(Value, BTreeMap<Place, String>), Unusable> {
    let mut before: Option<(Value, BTreeMap<Place, String>)> = None;
    for (at, definition) in definitions.iter().enumerate() {
        let mut definition = definition.clone();
        // `own` is replaced by the reference in the answer to the last PUT.
        if definition["typeProperties"]["encryptedCredential"] == "own" {
            let shown = before.as_ref().map(|(shown, _)| shown["typeProperties"]["encryptedCredential"].clone());
            definition["typeProperties"]["encryptedCredential"] = shown.unwrap();
        }
        let new = || EncryptedCredential::new(Uuid::nil(), Uuid::from_u128(at as u128));
        let kept = before.as_ref().map(|(properties, sealed)| Kept { properties, sealed });
        let keeping = take_out(RULES, definition)?.keeping(kept, new)?;
        let sealed = keeping.secrets.iter().map(|(place, text)| (place.clone(), text.to_string()));
        before = Some((keeping.properties, sealed.chain(keeping.sealed).collect()));
    }
    Ok(before.unwrap())
}

fn reference_of(number: u128) -> String {
    EncryptedCredential::new(Uuid::nil(), Uuid::from_u128(number)).encode()
}

/// A definition with these members.
fn with(own: Value) -> Value {
    json!({"type": "X", "typeProperties": own})
}

fn secure(text: &str) -> Value {
    json!({"type": "SecureString", "value": text})
}

#[test]
fn a_reference_that_comes_back_keeps_its_credential() {
    let first = with(json!({"password": secure("hush"), "url": "a"}));
    for (second, url) in [
        (json!({"password": secure(MASK), "url": "b", "encryptedCredential": "own"}), "b"),
        (json!({"url": "b", "encryptedCredential": "own"}), "b"),
        (json!({"url": format!("EncryptedCredential={}", reference_of(0)), "encryptedCredential": "own"}), "x"),
    ] {
        let (shown, secrets) = kept(&[first.clone(), with(second)]).unwrap();
        assert_eq!(
            secrets.into_iter().map(|(place, text)| (place.0, text)).collect::<Vec<_>>(),
            [("/typeProperties/password".to_owned(), "hush".to_owned())],
            "{url}"
        );
        assert_eq!(shown["typeProperties"]["encryptedCredential"], reference_of(0));
    }
}

#[test]
fn a_reference_in_a_connection_string_is_one() {
    let first = with(json!({"connectionString": "Server=S;Password=P"}));
    let again = with(json!({"connectionString": format!("Server=T;EncryptedCredential={}", reference_of(0))}));
    let (shown, secrets) = kept(&[first.clone(), again.clone(), again.clone()]).unwrap();
    assert_eq!(shown, again, "as it is");
    let secrets: Secrets = secrets.into_iter().map(|(place, text)| (place, Zeroizing::new(text))).collect();
    let resolved = put_back(RULES, shown, &secrets).unwrap();
    assert_eq!(resolved.0, with(json!({"connectionString": "Server=T;Password=P"})));
    let new = with(json!({"connectionString": format!("Password=Q;EncryptedCredential={}", reference_of(0))}));
    let (shown, secrets) = kept(&[first, again, new]).unwrap();
    assert_eq!(shown, with(json!({"connectionString": "", "encryptedCredential": reference_of(2)})));
    assert_eq!(secrets.into_values().collect::<Vec<_>>(), ["0/2 Password=Q"]);
}

#[test]
fn a_new_secret_takes_the_place_of_its_own_alone_and_gets_a_new_reference() {
    let first = with(json!({"password": secure("hush"), "accountKey": "key"}));
    let second = with(json!({"password": secure("new"), "encryptedCredential": "own"}));
    let (shown, secrets) = kept(&[first, second]).unwrap();
    assert_eq!(shown, with(json!({"password": secure(MASK), "encryptedCredential": reference_of(1)})));
    assert_eq!(secrets.into_values().collect::<Vec<_>>(), ["key", "new"]);
}

#[test]
fn without_the_reference_and_a_new_secret_nothing_is_kept() {
    let first = with(json!({"password": secure("hush")}));
    let (shown, secrets) = kept(&[first.clone(), with(json!({"url": "a"}))]).unwrap();
    assert_eq!((shown, secrets), (with(json!({"url": "a"})), BTreeMap::new()));
    // Nor does the old reference bring it back.
    let stale = with(json!({"encryptedCredential": reference_of(0)}));
    let (shown, secrets) = kept(&[first, with(json!({"url": "a"})), stale.clone()]).unwrap();
    assert_eq!((shown, secrets), (stale, BTreeMap::new()));
}

#[test]
fn a_mask_is_never_a_secret() {
    let at = || Unusable::Masked { at: "/typeProperties/password".to_owned() };
    let first = with(json!({"password": secure("hush")}));
    let masked = with(json!({"password": secure(MASK)}));
    assert_eq!(kept(std::slice::from_ref(&masked)), Err(at()));
    assert_eq!(kept(&[first.clone(), masked]), Err(at()), "without the reference");
    assert_eq!(kept(&[with(json!({"password": MASK}))]), Err(at()));
    let elsewhere = with(json!({"connectionString": "Password=**********", "encryptedCredential": "own"}));
    let expected = Unusable::Masked { at: "/typeProperties/connectionString".to_owned() };
    assert_eq!(kept(&[first, elsewhere]), Err(expected), "of another place");
}

#[test]
fn a_reference_made_elsewhere_stays_as_it_is() {
    for made in [reference_of(9), "fake_credential".to_owned()] {
        let definition = with(json!({"password": secure(MASK), "encryptedCredential": made}));
        let (shown, secrets) = kept(std::slice::from_ref(&definition)).unwrap();
        assert_eq!((&shown, secrets.len()), (&definition, 0));
        let missing = put_back(RULES, shown, &Secrets::new()).map(drop);
        assert_eq!(missing, Err(Unusable::Masked { at: "/typeProperties/password".to_owned() }));
    }
    let both = with(json!({"password": secure("new"), "encryptedCredential": reference_of(9)}));
    assert_eq!(
        kept(&[both]).unwrap().0["typeProperties"]["encryptedCredential"],
        reference_of(0),
        "the secret that is given counts"
    );
}

/// Definitions with secrets that contain `hush`, in any place and form.
fn definition() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "password",
        "sasUri",
        "Pwd",
        "url",
        "connectionString",
        "a/b~c",
        "authHeaders",
        "items",
    ]);
    let text = prop_oneof![Just("open".to_owned()), Just("Server=s;User ID=u".to_owned()), Just(String::new())];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        Just(json!({"type": "SecureString", "value": "hush"})),
        Just(json!({"type": "SECURESTRING", "value": "Server=s;Password=hush"})),
        Just(json!({"type": "AzureKeyVaultSecret", "secretName": "s"})),
    ];
    let secret = prop_oneof![
        Just(json!({"password": "hush"})),
        Just(json!({"connectionString": "Server=s;PWD={hush;hush};T=1"})),
        Just(json!({"connectionString": "mongodb://u:hush@h"})),
        Just(json!({"authHeaders": {"x": "hush"}})),
        Just(json!({"ACCOUNTKEY": ["hush"]})),
    ];
    let tree = prop_oneof![leaf, secret].prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-c]", tree, 0..4).prop_map(|own| {
        let own: serde_json::Map<String, Value> = own.into_iter().collect();
        json!({"type": "X", "typeProperties": own})
    })
}

proptest! {
    #[test]
    fn what_is_taken_out_goes_back_and_nothing_is_left(definition in definition()) {
        let taken = take_out(RULES, definition.clone()).unwrap();
        prop_assert!(!taken.properties.to_string().contains("hush"), "{}", taken.properties);
        let resolved = put_back(RULES, taken.properties, &taken.secrets).unwrap();
        prop_assert_eq!(&resolved.0, &definition);
    }
}
