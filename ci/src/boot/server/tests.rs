// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::Path;

use host_guard::confine::Places;

use smmu_emu::plan::MAX_DELAY_US;

use super::{ANSWER_MS, server_config};

#[test]
fn the_server_reads_what_is_written_for_it() {
    let recipe = crate::recipe::shipped("boot").unwrap().recipe().unwrap();
    let seed = u64::MAX >> 1;
    let text = server_config(&recipe, Path::new("/run"), seed, &Places::default(), false).unwrap();
    let read: vfio_server::config::Config = toml::from_str(&text).unwrap();
    assert_eq!(read.seed, seed);
    assert_eq!(
        read.message_timeout_ms,
        Some(ANSWER_MS.into()),
        "as QEMU's x-msg-timeout"
    );
    assert_eq!(read.smmu[0].socket, Path::new("/run/a.sock"));
    assert_eq!(read.smmu[0].model, recipe.smmus[0].model);
    let deep = format!("/{}", "d".repeat(120));
    let error = server_config(&recipe, Path::new(&deep), 1, &Places::default(), false)
        .unwrap_err()
        .to_string();
    assert!(error.contains("128 bytes") && error.contains("107"), "{error}");
}

/// A delay that waits for a mark ends by the mark, or by what the guest's kernel does; not by the host's time.
#[test]
fn in_guest_time_a_mark_is_waited_for_as_long_as_can_be() {
    let recipe = crate::recipe::shipped("attach-lock").unwrap().recipe().unwrap();
    let bounds = |guest_time| {
        let text = server_config(&recipe, Path::new("/run"), 1, &Places::default(), guest_time).unwrap();
        let read: vfio_server::config::Config = toml::from_str(&text).unwrap();
        let rules = read.smmu.into_iter().flat_map(|smmu| smmu.delay);
        rules
            .map(|rule| (rule.polls, rule.at_most_us))
            .collect::<Vec<_>>()
    };
    assert_eq!(bounds(false), [(Some(10), None), (None, Some(2_000_000))]);
    assert_eq!(bounds(true), [(Some(10), None), (None, Some(MAX_DELAY_US))]);
}
