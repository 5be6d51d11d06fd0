// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Runs guests against the model: one boot or many, judged and reported.
