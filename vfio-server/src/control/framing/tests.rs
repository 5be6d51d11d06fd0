// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

type Found = Result<Vec<u8>, FramingError>;

fn all(framer: &mut Framer, mut input: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    while let Some(one) = framer.next(&mut input) {
        assert!(framer.kept() <= MAX_MESSAGE);
        found.push(one);
    }
    assert!(input.is_empty(), "everything is taken");
    assert!(framer.kept() <= MAX_MESSAGE);
    found
}

fn frames(input: &[u8]) -> Vec<Found> {
    all(&mut Framer::default(), input)
}

fn ok(text: &str) -> Found {
    Ok(text.into())
}

#[test]
fn messages_need_no_newline() {
    assert_eq!(
        frames(br#"{"a":1}{"b":"}{"} [2]"#),
        [ok(r#"{"a":1}"#), ok(r#"{"b":"}{"}"#), ok("[2]")]
    );
    assert_eq!(frames(b"\r\n {\n\"a\" :\t1}\r\n"), [ok("{\n\"a\" :\t1}")]);
    assert_eq!(frames(br#"{"\"}\\":"\\"}"#), [ok(r#"{"\"}\\":"\\"}"#)]);
    assert_eq!(frames(b"{\"a\":"), []);
}

#[test]
fn garbage_is_one_error_and_the_stream_goes_on() {
    assert_eq!(
        frames(b"nonsense, 1 2 3\n{}"),
        [Err(FramingError::Garbage), ok("{}")]
    );
    assert_eq!(frames(b"}}}{}"), [Err(FramingError::Garbage), ok("{}")]);
    assert_eq!(frames(b"{]{}"), [ok("{]"), ok("{}")], "for the parser to refuse");
    assert_eq!(
        frames(b"{\"a\n{}"),
        [Err(FramingError::BrokenString), ok("{}")],
        "an unfinished string ends with its line"
    );
    assert_eq!(frames(b"{\"a\xff{}"), [Err(FramingError::BrokenOff), ok("{}")]);
    assert_eq!(frames(b"\xff\xff{}"), [ok("{}")]);
}

#[test]
fn length_and_depth_are_bounded_to_the_byte() {
    let longest = [b"[", vec![b' '; MAX_MESSAGE - 2].as_slice(), b"]"].concat();
    assert_eq!(frames(&longest), [Ok(longest.clone())]);
    let longer = [b"[", vec![b' '; MAX_MESSAGE - 1].as_slice(), b"]"].concat();
    let error = frames(&longer)[0].clone().unwrap_err();
    assert_eq!(error, FramingError::TooLong);
    assert!(error.is_fatal());
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let deepest = nested(usize::try_from(MAX_DEPTH).unwrap());
    assert_eq!(frames(deepest.as_bytes()), [ok(&deepest)]);
    let deeper = nested(usize::try_from(MAX_DEPTH).unwrap() + 1);
    assert_eq!(frames(deeper.as_bytes())[0], Err(FramingError::TooDeep));
    assert!(FramingError::TooDeep.is_fatal());
}

/// Bytes that mean something to the scanner, more often than others.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(b"{}[]\"\\\n ,:\xff".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..400)
}

proptest! {
    #[test]
    fn any_bytes_split_anywhere_give_the_same(bytes in bytes(), splits in prop::collection::vec(0_usize..400, 0..6)) {
        let whole = frames(&bytes);
        let mut splits: Vec<usize> = splits.into_iter().map(|at| at.min(bytes.len())).collect();
        splits.extend([0, bytes.len()]);
        splits.sort_unstable();
        let mut framer = Framer::default();
        let pieces = splits.windows(2).flat_map(|ends| all(&mut framer, &bytes[ends[0]..ends[1]]));
        prop_assert_eq!(pieces.collect::<Vec<_>>(), whole);
    }

    #[test]
    fn what_serde_json_writes_is_one_message(text in any::<String>(), number in any::<i64>()) {
        let json = serde_json::json!({ "a": [text, { "b": number }] }).to_string();
        for at in 0..json.len() {
            let mut framer = Framer::default();
            prop_assert_eq!(all(&mut framer, &json.as_bytes()[..at]), []);
            prop_assert_eq!(all(&mut framer, &json.as_bytes()[at..]), [ok(&json)]);
        }
    }
}
