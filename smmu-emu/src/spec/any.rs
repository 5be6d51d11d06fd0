// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The register tables under one type.

use super::cb::Cb;
use super::gid::{Compindex, Exs2cr, Exsmr, Gid, Prr, Ssd};
use super::gr0::Gr0;
use super::gr1::Gr1;
use super::pm::Pm;
use super::regs::{Row, Table};

/// Lists the tables, for what has to be written once for each.
macro_rules! tables {
    ($($table:ident),+) => {
        /// A register table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum AnyTable {
            $( $table, )+
        }

        /// A register of any table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum AnyRegister {
            $( $table($table), )+
        }

        impl AnyTable {
            /// The rows, in address order.
            pub(crate) fn rows(self) -> &'static [Row] {
                match self {
                    $( Self::$table => $table::ROWS, )+
                }
            }

            /// The register at a byte offset in the frame, its number in an array, and its row.
            #[inline]
            pub(crate) fn decode(self, offset: u32) -> Option<(AnyRegister, u16, &'static Row)> {
                match self {
                    $( Self::$table => {
                        let (register, index) = $table::decode(offset)?;
                        Some((AnyRegister::$table(register), index, register.row()))
                    } )+
                }
            }
        }

        impl AnyRegister {
            /// The register behind an alias; itself if it is none.
            #[inline]
            pub(crate) fn behind_alias(self) -> Self {
                match self {
                    $( Self::$table(register) => Self::$table(register.behind_alias()), )+
                }
            }
        }
    };
}

tables!(Gr0, Gr1, Cb, Gid, Pm, Exsmr, Exs2cr, Prr, Ssd, Compindex);
