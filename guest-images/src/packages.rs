// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Debian packages by lock file: fetched by hash, unpacked into a cache.
//!
//! - [`lock`]: the packages, by version and hash; [`renew`] writes the lock file.
//! - [`wanted`]: what is to be locked.
//! - [`archive`]: the archive's signed index; [`release`]: the kernels in it.
//! - [`resolved`]: packages that the lock file does not have.
//! - [`store`]: the cache that they are fetched and unpacked to.
//! - [`qemu_version`]: the versions of QEMU that work.
//! - [`mirror`], [`download`]: the archive, and transfers from it; [`digest`]: hashes of packages.
//! - [`deb`], `compression`: the formats of packages.
//! - `index`: the archive's lists of packages.
//! - [`progress`]: reports to the user while files are fetched and unpacked.

pub mod archive;
pub(crate) mod compression;
pub mod deb;
pub mod digest;
pub mod download;
mod index;
pub mod lock;
pub mod mirror;
pub mod progress;
pub mod qemu_version;
pub mod release;
pub mod renew;
pub mod resolved;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;
pub mod wanted;
