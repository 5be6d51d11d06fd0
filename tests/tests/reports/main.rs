// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Reports of stress runs, read by the programs that they are for.

mod page;
mod readers;
mod sample;
