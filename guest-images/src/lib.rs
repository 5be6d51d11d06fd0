// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the guest runs: packages by lock file, initramfs, device tree, boot shim.
