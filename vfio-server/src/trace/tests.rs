// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::*;

fn access() -> Access {
    Access {
        name: "CBn_FSR",
        frame: Frame::Context(3),
        index: 3,
        kind: AccessKind::Write,
        width: 4,
        value: 0x8000_0000,
        offset: 0x4_3058,
    }
}

#[test]
fn lines_read_as_documented() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let trace = Trace::create(&path).unwrap();
    let reserved = Access {
        name: Access::RESERVED,
        ..access()
    };
    trace.record(
        183_502,
        "a",
        &Access {
            name: "sCR0",
            frame: Frame::Gr0,
            index: 0,
            offset: 0,
            value: 1,
            ..access()
        },
    );
    trace.record(191_077, "a", &access());
    trace.record(
        7,
        "b-2",
        &Access {
            frame: Frame::Outside,
            kind: AccessKind::Read,
            ..reserved
        },
    );
    trace.record(
        8,
        "b",
        &Access {
            name: "CBARn",
            frame: Frame::Gr1,
            index: 1,
            width: 8,
            ..access()
        },
    );
    trace.record(
        9,
        "b",
        &Access {
            frame: Frame::Global(2),
            index: 0,
            ..reserved
        },
    );
    drop(trace);
    let text = std::fs::read_to_string(&path).unwrap();
    insta::assert_snapshot!(text, @r"
    183502 a W gr0 sCR0 4 0x1 0x0
    191077 a W cb3 CBn_FSR[3] 4 0x80000000 0x43058
    7 b-2 R outside RESERVED[3] 4 0x80000000 0x43058
    8 b W gr1 CBARn[1] 8 0x80000000 0x43058
    9 b W global2 RESERVED 4 0x80000000 0x43058
    ");
    let lines = parse(&text).unwrap();
    let again: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(again, text);
    assert_eq!(
        (lines[1].frame, lines[1].index, lines[1].offset),
        (Frame::Context(3), 3, 0x4_3058)
    );
    assert_eq!((lines[2].smmu.as_str(), lines[2].kind), ("b-2", AccessKind::Read));
}

#[test]
fn errors_name_line_and_field() {
    let good = "1 a W gr0 sCR0 4 0x1 0x0";
    for (bad, field) in [
        ("x a W gr0 sCR0 4 0x1 0x0", "ns"),
        ("1", "smmu"),
        ("1 a X gr0 sCR0 4 0x1 0x0", "R|W"),
        ("1 a W gr9 sCR0 4 0x1 0x0", "frame"),
        ("1 a W cb sCR0 4 0x1 0x0", "frame"),
        ("1 a W gr0 SMRn[ 4 0x1 0x0", "register"),
        ("1 a W gr0 SMRn[70000] 4 0x1 0x0", "register"),
        ("1 a W gr0 sCR0 400 0x1 0x0", "width"),
        ("1 a W gr0 sCR0 4 0xg 0x0", "value"),
        ("1 a W gr0 sCR0 4 0x1", "offset"),
        ("1 a W gr0 sCR0 4 0x1 0x0 more", "end of line"),
    ] {
        let error = parse(&format!("# comment\n\n{good}\n{bad}\n")).unwrap_err();
        assert_eq!((error.line, error.field), (4, field), "{bad}");
    }
}

#[test]
fn the_file_holds_whole_lines_at_any_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let trace = Trace::create(&path).unwrap();
    for i in 0..5000 {
        trace.record(i, "a", &access());
        if i % 250 == 0 {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'));
            parse(&text).unwrap();
        }
    }
    trace.flush();
    let lines = parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(lines.len(), 5000);
    assert_eq!(lines[4999].ns, 4999);
    trace.record(5000, "a", &access());
    drop(trace);
    assert_eq!(
        parse(&std::fs::read_to_string(&path).unwrap()).unwrap().len(),
        5001
    );
}

#[test]
fn a_full_disk_does_not_end_the_run() {
    let trace = Trace::create(Path::new("/dev/full")).unwrap();
    for i in 0..5000 {
        trace.record(i, "a", &access());
    }
    trace.flush();
    assert!(trace.sink.lock().unwrap().failed);
}

fn frames() -> impl Strategy<Value = Frame> {
    prop_oneof![
        Just(Frame::Gr0),
        Just(Frame::Gr1),
        Just(Frame::Outside),
        any::<u16>().prop_map(Frame::Global),
        any::<u16>().prop_map(Frame::Context),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        numbers in any::<(u64, u16, u8, u64, u64)>(),
        smmu in "[A-Za-z0-9._-]{1,12}",
        register in "[A-Za-z0-9_]{1,20}",
        frame in frames(),
        read in any::<bool>(),
    ) {
        let (ns, index, width, value, offset) = numbers;
        let kind = if read { AccessKind::Read } else { AccessKind::Write };
        let line = Line { ns, smmu, kind, frame, register, index, width, value, offset };
        prop_assert_eq!(line.to_string().parse(), Ok(line));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = parse(&text);
    }
}
