// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use proptest::prelude::*;

use super::Shard;

#[test]
fn shards_are_counted_from_one() {
    assert_eq!(Shard::parse("2/8"), Ok(Shard { index: 2, count: 8 }));
    for text in ["0/8", "9/8", "1", "1/", "/", "-1/2", "1/0", "1/99999999", "a/b"] {
        assert!(Shard::parse(text).is_err(), "{text}");
    }
}

fn environment(set: &[(&str, &str)], count: Option<u32>) -> Result<(Shard, &'static str), String> {
    let get = |name: &str| {
        let found = set.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Shard::from_environment(get, count)
}

#[test]
fn schedulers_say_which_shard_it_is() {
    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "14"),
        ("SLURM_ARRAY_TASK_MIN", "10"),
        ("SLURM_ARRAY_TASK_STEP", "2"),
        ("SLURM_ARRAY_TASK_COUNT", "5"),
    ];
    for (set, count, index, of, name) in [
        (&slurm[..], None, 3, 5, "Slurm array"),
        (
            &[("JOB_COMPLETION_INDEX", "0")],
            Some(4),
            1,
            4,
            "Kubernetes Indexed Job",
        ),
        (
            &[("STRATEGY_JOB_INDEX", "7"), ("STRATEGY_JOB_TOTAL", "8")],
            None,
            8,
            8,
            "GitHub Actions matrix",
        ),
        (
            &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "3")],
            None,
            1,
            3,
            "GitLab parallel",
        ),
        (
            &[
                ("BUILDKITE_PARALLEL_JOB", "2"),
                ("BUILDKITE_PARALLEL_JOB_COUNT", "3"),
            ],
            None,
            3,
            3,
            "Buildkite parallelism",
        ),
    ] {
        assert_eq!(environment(set, count), Ok((Shard { index, count: of }, name)));
    }
}

#[test]
fn variables_that_make_no_shard_are_named() {
    for (set, word) in [
        (&[][..], "SLURM_ARRAY_TASK_ID"),
        (&[("JOB_COMPLETION_INDEX", "0")], "--shard-count"),
        (&[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "3")], "CI_NODE_INDEX"),
        (&[("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "3")], "no shard 4"),
        (
            &[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "3")],
            "CI_NODE_INDEX=\"x\"",
        ),
    ] {
        let problem = environment(set, None).unwrap_err();
        assert!(problem.contains(word), "{problem}");
    }
}

proptest! {
    #[test]
    fn each_boot_is_of_one_shard_which_finds_it(count in 1u32..50, cell in 0usize..100, boot in 1u32..1000) {
        let own = Shard::of(cell, boot, count);
        prop_assert!((1..=count).contains(&own.index));
        for index in 1..=count {
            let shard = Shard { index, count };
            let next = shard.next(cell, boot - 1);
            prop_assert_eq!(next == boot, shard == own);
            prop_assert!(next >= boot && next < boot + count);
            prop_assert_eq!(Shard::of(cell, next, count), shard);
        }
    }
}
