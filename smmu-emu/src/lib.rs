// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A model of the Arm SMMUv2 (IHI 0062 issue D): registers, stream matching, translation, timing; pure.
