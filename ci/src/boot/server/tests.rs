// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::path::Path;

use host_guard::confine::Places;

use super::{ANSWER_MS, server_config};

#[test]
fn the_server_reads_what_is_written_for_it() {
    let recipe = crate::recipe::shipped("boot").unwrap().recipe().unwrap();
    let seed = u64::MAX >> 1;
    let text = server_config(&recipe, Path::new("/run"), seed, &Places::default()).unwrap();
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
    let error = server_config(&recipe, Path::new(&deep), 1, &Places::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("128 bytes") && error.contains("107"), "{error}");
}
