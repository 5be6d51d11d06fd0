// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn desc(message: &str) -> String {
    parse(message.as_bytes()).1.unwrap_err().desc
}

#[test]
fn a_request_has_a_name_and_may_have_more() {
    let (id, request) = parse(br#"{"execute":"a","arguments":{"x":1},"id":{"any":[1]}}"#);
    assert_eq!(id, Some(json!({ "any": [1] })));
    let request = request.unwrap();
    assert_eq!(request.execute, "a");
    assert_eq!(request.arguments["x"], 1);
    let (id, request) = parse(br#"{"execute":"a"}"#);
    assert_eq!((id, request.unwrap().arguments), (None, Map::new()));
}

#[test]
fn mistakes_are_named() {
    assert!(desc("{]").starts_with("JSON: "));
    assert!(
        desc("{\"a\":\"\\ud800\"}").starts_with("JSON: "),
        "half a surrogate"
    );
    assert_eq!(desc("[]"), "expected a JSON object");
    assert_eq!(desc("{}"), "`execute` is missing");
    assert_eq!(desc(r#"{"execute":1}"#), "`execute` has to be a string");
    assert_eq!(
        desc(r#"{"execute":"a","arguments":[]}"#),
        "`arguments` has to be an object"
    );
    assert_eq!(desc(r#"{"execute":"a","x":1}"#), "unexpected member \"x\"");
    assert_eq!(
        desc(r#"{"exec-oob":"a"}"#),
        "out-of-band execution is not offered"
    );
}

#[test]
fn an_id_comes_back_with_an_error_too() {
    let (id, request) = parse(br#"{"id":7}"#);
    let answer = answer(id, request.map(|_| Value::Null));
    assert_eq!(answer["id"], 7);
    assert_eq!(answer["error"]["class"], "GenericError");
}

/// QEMU says "duplicate key" too. Which of the two counts must not depend on the reader.
#[test]
fn a_key_may_stand_once_in_an_object() {
    let nested = r#"{"execute":"a","arguments":{"x":[{"k":1,"\u006b":2}]}}"#;
    for message in [
        r#"{"execute":"quit","execute":"stop"}"#,
        r#"{"id":1,"id":2}"#,
        nested,
    ] {
        let (id, request) = parse(message.as_bytes());
        assert_eq!(id, None);
        assert!(
            request.unwrap_err().desc.starts_with("JSON: duplicate key "),
            "{message}"
        );
    }
    let text = r#"{"execute":"a","arguments":{"x":{"x":[null,true,-1,1.5,18446744073709551615,"x"]}}}"#;
    let expected: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        Value::Object(parse(text.as_bytes()).1.unwrap().arguments),
        expected["arguments"]
    );
}
