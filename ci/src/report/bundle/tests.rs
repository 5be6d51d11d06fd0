// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::PathBuf;

use super::{Bundle, decode};
use crate::boot::accel::Accel;
use crate::boot::findings::Finding;
use crate::boot::outcome::{BootReport, Outcome};
use crate::recipe::{FindingKind, shipped};
use crate::report::mail::COLUMNS;
use crate::report::verdict::{Part, Verdict};

const CONSOLE: &str = "\
[    1.000000] one
[    2.000000] two
[    3.000000] three
[    9.000000] arm-smmu 30000000.iommu: error -EINVAL: Failed to register iommu\r
[    9.000001] arm-smmu 30000000.iommu: probe with driver arm-smmu failed with error -22
[    9.100000] four
[    9.200000] five
[    9.300000] six
[    9.400000] seven
[    9.500000] @@boot-stress result disk none
";

const TRACE: &str = concat!(
    r#"{"ns":1000000000,"smmu":"a","type":"read","frame":"gr0","register":"sCR0","width":4,"value":"0x1","#,
    r#""offset":"0x0"}"#,
    "\n",
    r#"{"ns":2000000000,"smmu":"a","type":"write","frame":"gr0","register":"sCR0","width":4,"#,
    r#""value":"0x201c07","offset":"0x0","before":"0x201c06","after":"0x201c07","#,
    r#""changed":{"clientpd":[false,true]}}"#,
    "\n",
    r#"{"ns":2000001000,"smmu":"a","type":"translation","stream":16,"address":"0xfffff000","#,
    r#""access":"write","privileged":true,"walked":false,"result":"translated","bypass":true,"#,
    r#""to":"0xfffff000"}"#,
    "\n",
    r#"{"ns":2000002000,"smmu":"a","type":"translation","stream":16,"address":"0xfffff000","#,
    r#""access":"write","privileged":true,"walked":false,"result":"translated","bypass":true,"#,
    r#""to":"0xfffff000"}"#,
    "\n",
    r#"{"ns":2000003000,"smmu":"a","type":"translation","stream":5,"address":"0x1000","access":"read","#,
    r#""privileged":false,"bank":0,"walked":true,"result":"translated","to":"0x40001000"}"#,
    "\n",
    r#"{"ns":3000000000,"smmu":"a","type":"fault","stream":16,"address":"0xfffff000","access":"write","#,
    r#""privileged":true,"cause":"UnidentifiedStream","multiple":false,"stalled":false}"#,
    "\n",
    r#"{"ns":4000000000,"smmu":"a","type":"no-memory","stream":16,"address":"0x1000","access":"read","#,
    r#""privileged":false,"to":"0x1000"}"#,
    "\n",
);

fn report() -> String {
    let recipe = shipped("bad-stream-id").unwrap().recipe().unwrap();
    let part = |version: &str, source: &str| Part {
        version: version.to_owned(),
        source: source.to_owned(),
    };
    let mut verdict = Verdict::new(
        &recipe,
        Accel::Tcg,
        part("7.3.4+deb13-arm64", "debian:7.3.4+deb13-arm64"),
        part("11.1.3", "lock file"),
        7,
        1,
        PathBuf::from("/home/somebody/results"),
    );
    let mut finding = Finding::new(
        FindingKind::ProbeFailed,
        Some("30000000.iommu".to_owned()),
        "arm-smmu: error -22".to_owned(),
        "probe with driver arm-smmu failed with error -22".to_owned(),
    );
    finding.time = Some("9.000001".to_owned());
    finding.fields.insert("error".to_owned(), 22);
    verdict.add(
        1,
        BootReport {
            outcome: Outcome::AsExpected,
            warnings: 0,
            hits: Vec::new(),
            findings: vec![finding],
            expectations: Vec::new(),
            total_ms: 1,
            boot_ms: Some(1),
            results: Vec::new(),
            tail: Vec::new(),
            server_messages: Vec::new(),
            stderr_tail: Vec::new(),
            console: None,
            trace: None,
        },
    );
    let hash = "0123456789abcdef".repeat(4);
    Bundle {
        recipe: &recipe,
        recipe_file: "bad-stream-id.toml",
        recipe_sha256: &hash,
        kernel_sha256: &hash,
        qemu_sha256: &hash,
        cmdline: "console=ttyAMA0 earlycon panic=-1 printk.devkmsg=on cryptomgr.notests iomem=relaxed",
        arguments: &["--boots 1".to_owned(), "--seed 7".to_owned()],
        verdict: &verdict,
        console: CONSOLE,
        trace: &vfio_server::trace::parse(TRACE).unwrap(),
    }
    .text()
}

#[test]
fn a_report_reads_as_a_mail() {
    insta::assert_snapshot!(report());
}

#[test]
fn lines_fit_a_mail_but_for_those_of_the_console() {
    for line in report().lines().filter(|line| !CONSOLE.contains(line)) {
        assert!(line.chars().count() <= COLUMNS, "{line}");
    }
}

#[test]
fn nothing_of_the_machine_is_in_a_report() {
    assert!(!report().contains("somebody"), "{}", report());
}

#[test]
fn equal_lines_of_a_trace_are_told_once_and_a_long_trace_is_cut() {
    let mut lines = vfio_server::trace::parse(TRACE).unwrap();
    let bypass = lines[2].clone();
    lines.extend(std::iter::repeat_n(bypass, 500));
    let text = decode::decode(&lines);
    assert_eq!(text.matches("bypass of a write").count(), 2, "{text}");
    assert!(text.contains("... 499 more"), "{text}");

    let fault = lines[5].clone();
    let many = (0..1000_u64).map(|n| {
        let mut line = fault.clone();
        line.smmu = Some(format!("s{n}"));
        line
    });
    let text = decode::decode(&many.collect::<Vec<_>>());
    assert!(text.contains("(952 lines left out)"), "{text}");
    assert_eq!(text.lines().count(), 49);
}
