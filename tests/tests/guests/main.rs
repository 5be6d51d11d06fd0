// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Stock kernels drive the masters behind the SMMU.
//!
//! The ignored tests are the long run of `ci/guests`: other kernels, other ways to use the IOMMU, more data.

mod boot;
mod data;
mod endurance;
mod faults;
mod kexec;
mod leak;
mod memory;
mod presets;
