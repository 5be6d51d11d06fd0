// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Translation, without a device: from a stream ID to a context bank, and from an address to a block or page.
//!
//! | file | holds |
//! | --- | --- |
//! | `stream` | stream matching (§2.4) |
//! | `regime` | how a context bank translates, decoded from its registers |
//! | `walk` | the table walks |
//! | `tag` | TLB tags: regime, VMID, ASID |
//! | `decoded` | cached decoding of the stream table and context banks |
//! | `translator` | the translation of addresses in a context bank |

pub(crate) mod decoded;
pub(crate) mod regime;
pub(crate) mod stream;
pub(crate) mod tag;
pub(crate) mod translator;
pub(crate) mod walk;
