// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

#[test]
fn errors_name_the_line_and_what_is_wrong() {
    let good = concat!(
        r#"{"ns":1,"smmu":"a","type":"read","frame":"gr0","register":"sCR0","width":4,"#,
        r#""value":"0x1","offset":"0x0"}"#,
    );
    assert_eq!(parse(&format!("\n{good}\n \n{good}")).unwrap().len(), 2);
    for (bad, expected) in [
        (good.replace("read", "look"), "unknown variant `look`"),
        (good.replace("\"0x1\"", "1"), "expected a string"),
        (good.replace("0x1", "0xg"), "expected a number such as \"0x1f\""),
        (good.replace("\"width\":4,", ""), "missing field `width`"),
        (good.replace("\"ns\":1,", ""), "missing field `ns`"),
        ("183502 a W gr0 sCR0 4 0x1 0x0".into(), "invalid type"),
        ("7".into(), "invalid type"),
    ] {
        let error = parse(&format!("{good}\n{bad}\n")).unwrap_err();
        assert_eq!(error.line, 2, "{bad}");
        assert!(error.to_string().contains(expected), "{bad}: {error}");
    }
}

#[test]
fn registers_alone_are_accesses() {
    let access = |what| {
        Line {
            ns: 0,
            smmu: None,
            what,
        }
        .access()
        .map(|(kind, _)| kind)
    };
    assert_eq!(access(What::Read(Register::default())), Some(AccessKind::Read));
    assert_eq!(access(What::Write(Register::default())), Some(AccessKind::Write));
    assert_eq!(access(What::Reset), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        numbers in any::<(u64, u16, u8, u64, u64)>(),
        change in any::<Option<(u64, u64)>>(),
        smmu in "[A-Za-z0-9._-]{1,12}",
        field in "[a-z]{1,5}",
    ) {
        let (ns, index, width, value, offset) = numbers;
        let register = Register {
            frame: "gr0".into(),
            register: "SMRn".into(),
            index,
            width,
            value,
            offset,
            before: change.map(|(before, _)| before),
            after: change.map(|(_, after)| after),
            fields: [(field.clone(), true.into())].into(),
            changed: [(field, [Value::Null, 7.into()])].into(),
        };
        let line = Line { ns, smmu: Some(smmu), what: What::Write(register) };
        let text = serde_json::to_string(&line).unwrap();
        prop_assert_eq!(parse(&text).unwrap(), [line]);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
    }
}
