// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

fn parsed(words: &[&str]) -> Result<Value, String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    arguments::parse(&words).map(Value::Object).map_err(|failure| {
        assert_eq!(failure.status(), 2);
        failure.to_string()
    })
}

#[test]
fn words_become_arguments() {
    assert_eq!(
        parsed(&[
            "smmu=a",
            "polls=8",
            "time_us.min=1",
            "time_us.max=2",
            "value=0x1f",
            "on=true"
        ])
        .unwrap(),
        json!({ "smmu": "a", "polls": 8, "time_us": { "min": 1, "max": 2 }, "value": "0x1f", "on": true })
    );
    assert_eq!(
        parsed(&[r#"{"a": [1]}"#, "b="]).unwrap(),
        json!({ "a": [1], "b": "" })
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "1\n2").unwrap();
    let word = format!("text=@{}", file.path().display());
    assert_eq!(parsed(&[&word]).unwrap(), json!({ "text": "1\n2" }));
}

#[test]
fn words_that_are_none_are_usage_errors() {
    assert!(parsed(&["smmu"]).unwrap_err().contains("neither key=value nor"));
    assert!(parsed(&["{"]).unwrap_err().contains("EOF"));
    assert!(parsed(&["a=1", "a=2"]).unwrap_err().contains("given twice"));
    assert!(parsed(&["a=1", "a.b=2"]).unwrap_err().contains("a value already"));
    assert!(parsed(&["a..b=1"]).unwrap_err().contains("is no key"));
    assert!(
        parsed(&["text=@/no/such/file"])
            .unwrap_err()
            .contains("/no/such/file")
    );
}

#[test]
fn people_read_tables() {
    let value = json!([
        { "name": "sCR0", "index": 0, "value": 255, "fields": { "clientpd": true } },
        { "name": "IDR1", "index": 0, "value": 0 },
    ]);
    assert_eq!(
        show::people(&value),
        "name  index  value  fields\nsCR0  0      0xff   clientpd=true\nIDR1  0      0x0    -\n"
    );
    assert_eq!(show::people(&json!({ "text": "a = 1\n" })), "a = 1\n");
    assert_eq!(
        show::people(&json!({ "delay": 1, "smmu": "a" })),
        "delay  1\nsmmu   a\n"
    );
    assert_eq!(show::people(&json!({})), "");
    let commands = json!([{ "name": "delay-add" }, { "name": "delay-list" }, { "name": "quit" }]);
    assert_eq!(show::names(&commands, "del"), "delay-add\ndelay-list\n");
}
