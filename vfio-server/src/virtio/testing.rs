// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A driver for tests: descriptor rings in memory.
