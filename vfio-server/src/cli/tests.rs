// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use tracing::Level;

use super::*;

#[test]
fn what_a_guest_makes_crates_say_is_not_logged() {
    for verbose in [0, 1] {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(log_filter(verbose)))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            assert!(!tracing::enabled!(target: "virtio_queue::queue", Level::ERROR));
            assert!(!tracing::enabled!(target: "vfio_user", Level::ERROR));
            assert!(tracing::enabled!(target: "vfio_server::devices::virtio", Level::WARN));
        });
    }
}
