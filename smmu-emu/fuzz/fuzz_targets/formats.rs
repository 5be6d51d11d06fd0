// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! See `smmu_emu_fuzz::formats`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| smmu_emu_fuzz::formats::run(data));
