// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::path::PathBuf;

use super::{MergeError, Merged, merge};
use crate::report::results::LOG;
use crate::stress::class::Class::{Clean, Hit, Infra};
use crate::stress::record::{Boot, Header, Session};
use crate::stress::report::Report;
use crate::stress::samples::{boot, header};
use crate::stress::shard::Shard;
use crate::stress::store::{Store, StoreError, read};

fn write(dir: PathBuf, header: &Header, boots: &[Boot], time: u64) -> PathBuf {
    fs::create_dir(&dir).unwrap();
    let mut store = Store::create(dir.clone(), header).unwrap();
    let session = Session {
        number: 0,
        time,
        host_cpus: 2,
        jobs: None,
    };
    store.begin(session).unwrap();
    for boot in boots {
        store.record(boot).unwrap();
        if let Some(name) = &boot.dir {
            fs::create_dir_all(dir.join(name)).unwrap();
            fs::write(
                dir.join(name).join("console.log"),
                format!("{} {}", boot.cell, boot.boot),
            )
            .unwrap();
        }
    }
    dir
}

fn sharded(index: u32) -> Header {
    let mut header = header(9, &["a", "b-control"]);
    header.shards = vec![Shard { index, count: 3 }];
    header
}

/// The boots of a shard, each third one a hit; one of them at the second attempt.
fn boots(index: u32) -> Vec<Boot> {
    let header = sharded(index);
    let mut made = Vec::new();
    for cell in 0..2 {
        for number in (1..=9).filter(|number| Shard::of(cell, *number, 3).index == index) {
            let class = if cell == 0 && number % 2 == 0 { Hit } else { Clean };
            if number == 5 {
                made.push(boot(&header, cell, number, Infra));
            }
            let attempt = if number == 5 { 2 } else { 1 };
            made.push(Boot {
                attempt,
                ..boot(&header, cell, number, class)
            });
        }
    }
    made
}

#[test]
fn shards_merge_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let dirs: Vec<PathBuf> = (1..=3)
        .map(|index| {
            write(
                dir.path().join(index.to_string()),
                &sharded(index),
                &boots(index),
                index.into(),
            )
        })
        .collect();
    let mut texts = Vec::new();
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let out = dir.path().join(format!("out-{}", order[0]));
        let dirs: Vec<PathBuf> = order.iter().map(|at| dirs[*at].clone()).collect();
        let merged = merge(&dirs, &out).unwrap();
        assert_eq!(
            merged,
            Merged {
                shards: 3,
                missing: 0,
                boots: 20
            }
        );
        texts.push(fs::read(out.join(LOG)).unwrap());
    }
    assert!(texts.iter().all(|text| *text == texts[0]));
    // It is what one run would have recorded.
    let mut whole = sharded(1);
    whole.shards = vec![Shard::WHOLE];
    let all: Vec<Boot> = (1..=3).flat_map(boots).collect();
    let one = write(dir.path().join("one"), &whole, &all, 1);
    let reports = [one, dir.path().join("out-0")].map(|dir| Report::new(&read(&dir).unwrap()));
    let cells = reports.map(|report| serde_json::to_value(&report.cells).unwrap());
    assert_eq!(cells[0], cells[1]);
    assert_eq!(
        (&cells[0][0]["hits"], &cells[0][0]["complete"]),
        (&4.into(), &true.into())
    );
    // Directories of boots are there, too.
    let name = boots(2).into_iter().find_map(|boot| boot.dir).unwrap();
    assert!(dir.path().join("out-2").join(name).join("console.log").exists());
    // Merged again, with one of them twice, nothing changes.
    let again = dir.path().join("again");
    merge(&[dir.path().join("out-0"), dirs[1].clone()], &again).unwrap();
    assert_eq!(
        read(&again).unwrap().boots,
        read(&dir.path().join("out-0")).unwrap().boots
    );
}

#[test]
fn missing_shards_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let one = write(dir.path().join("1"), &sharded(2), &boots(2), 1);
    let merged = merge(&[one], &dir.path().join("out")).unwrap();
    assert_eq!((merged.shards, merged.missing), (1, 2));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let one = write(dir.path().join("1"), &sharded(1), &boots(1), 1);
    let mut other = sharded(2);
    other.seed = 8;
    let other = write(dir.path().join("2"), &other, &[], 1);
    let error = merge(&[one.clone(), other], &out).unwrap_err();
    assert!(
        error.to_string().contains("`seed` is 7 there and 8 here"),
        "{error}"
    );
    let mut count = sharded(1);
    count.shards = vec![Shard { index: 1, count: 4 }];
    let count = write(dir.path().join("3"), &count, &[], 1);
    let error = merge(&[one.clone(), count], &out).unwrap_err();
    assert!(
        matches!(error, MergeError::Store(StoreError::Other { .. })),
        "{error}"
    );
    // Two runs of one shard.
    let mut slower = boots(1);
    slower[0].total_ms += 1;
    let slower = write(dir.path().join("4"), &sharded(1), &slower, 1);
    let error = merge(&[one.clone(), slower], &out).unwrap_err();
    assert!(matches!(error, MergeError::Twice { boot: 1, .. }), "{error}");
    fs::create_dir_all(out.join("something")).unwrap();
    let error = merge(&[one], &out).unwrap_err();
    assert!(matches!(error, MergeError::InUse(_)), "{error}");
}
