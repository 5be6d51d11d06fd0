// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The model as software sees it: everything here goes through the public interface. Registers are those of the second
//! transcription (`smmu_emu::testing`), by name, or by offset where no register is.
//!
//! "Behaviour n" is the project's list of things that are easy to get wrong about an SMMUv2.

mod ats;
mod ats_operations;
mod configuration;
mod deviations;
mod faults;
mod formats;
mod hostile;
mod injection;
mod injection_host;
mod inspect;
mod lazy;
mod linux;
mod mmu_401;
mod mmu_500;
mod nested;
mod pmu;
mod presets;
mod qualcomm;
mod registers;
mod replay;
mod rows;
mod secure;
mod stalls;
mod state;
mod streams;
mod tables;
mod timing;
mod tlb;
mod trace;
mod view;
mod walks_paging;
mod walks_par;
