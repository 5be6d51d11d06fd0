// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Configurations that a user can choose, and the errors.

use smmu_emu::{Config, Line, Plan, Smmu};

fn parse(text: &str) -> Config {
    toml::from_str(text).expect("the test's configuration parses")
}

#[test]
fn register_space_holds_all_banks() {
    for (config, space) in [
        ("", 128 << 10),
        ("page_size = \"64k\"", 2 << 20),
        ("context_banks = 1", 128 << 10),
        ("context_banks = 17", 256 << 10),
        ("context_banks = 128", 1 << 20),
        ("context_banks = 128\npage_size = \"64k\"", 16 << 20),
    ] {
        assert_eq!(parse(config).register_space(), space, "{config}");
    }
}

#[test]
fn one_line_for_global_faults_and_one_per_bank() {
    let config = parse("context_banks = 2");
    let lines = [Line::Global, Line::Context(0), Line::Context(1)];
    assert_eq!(config.interrupt_lines(), lines);
    let smmu = Smmu::new(&config, Plan::default()).expect("valid");
    assert_eq!(
        (smmu.lines().collect::<Vec<_>>(), smmu.context_banks()),
        (lines.to_vec(), 2)
    );
    assert_eq!(parse("context_banks = 128").interrupt_lines().len(), 129);
    assert!(
        parse("context_banks = 0").interrupt_lines().is_empty(),
        "not valid"
    );
}

#[test]
fn a_configuration_survives_being_written_and_read() {
    for text in [
        "preset = \"mmu-500-ats\"\n",
        "preset = \"qcom-x1e-adreno\"\n\n[[live_groups]]\nstream_id = 5\nmask = 3\n",
        "preset = \"qcom-x1e-adreno\"\nbus_bits = 36\nfiltered_s2cr = true\ncbar_reset = 65791\n\n\
         [[live_groups]]\ngroup = 9\nstream_id = 5\nmask = 0\nkind = \"translate\"\ncontext_bank = 3\n",
        "preset = \"smmuv2-generic\"\nfixed_hupcf = true\ns1cbndx = \"scattered\"\n",
        "preset = \"smmuv2-generic\"\ncontext_banks = 8\npage_size = \"64k\"\nats = false\n",
    ] {
        let config = parse(text);
        let written = toml::to_string(&config).expect("a configuration can be written");
        assert_eq!(written, text);
        assert_eq!(parse(&written), config);
    }
}

#[test]
fn unknown_keys_and_values_are_errors() {
    for text in [
        "preset = \"mmu-402\"",
        "context_bank = 3",
        "page_size = \"16k\"",
        "context_banks = -1",
    ] {
        assert!(toml::from_str::<Config>(text).is_err(), "{text}");
    }
}

#[test]
fn wrong_values_name_the_field_and_what_is_allowed() {
    let wrong = [
        "context_banks = 0",
        "context_banks = 129",
        "stage2_only_banks = 17",
        "stream_match_groups = 129",
        "preset = \"qcom-x1e-adreno\"\nstream_match_groups = 245",
        "bus_bits = 48",
        "cbar_reset = 0x1000000",
        "preset = \"qcom-x1e-adreno\"\ncbar_reset = 0",
        "stream_id_bits = 16",
        "stream_id_bits = 0",
        "stream_match_groups = 0\nstream_id_bits = 8",
        "extended_stream_ids = true\nstream_id_bits = 8",
        "address_bits = 52",
        "granule_4k = false\ngranule_64k = false\naarch32_short = false\naarch32_long = false",
        "context_banks = 200",
        "stage1 = false\nstage2 = false",
        "stage2 = false\nnested = true",
        "stage1 = false\nstage2_only_banks = 3",
        "stage2 = false\nstage2_only_banks = 3",
        "stage1 = false\nats = true",
        "aarch32_long = false",
        "input_bits = 33",
        "extended_stream_match_groups = 1025",
        "extended_stream_match_groups = 10",
        "stream_match_groups = 0\nextended_stream_match_groups = 200",
        "preset = \"qcom-x1e-adreno\"\nextended_stream_match_groups = 200",
        "register_pages = 24",
        "register_pages = 8",
        "preset = \"mmu-401\"\nregister_pages = 2",
        "preset = \"qcom-x1e-adreno\"\ncontext_banks = 4\nregister_pages = 4",
        "context_interrupts = 1",
        "preset = \"mmu-401\"\ncontext_interrupts = 0",
        "preset = \"mmu-401\"\ncontext_interrupts = 129",
        "pmu_groups = 129",
        "pmu_groups = 100\npmu_counters = 4",
        "pmu_counters = 16",
        "pmu_counters = 0",
        "stream_match_groups = 1\nlive_groups = [{ stream_id = 1 }, { stream_id = 2 }]",
        "stream_match_groups = 0\nlive_groups = [{ stream_id = 1 }]",
        "live_groups = [{ stream_id = 1 }, { stream_id = 0x8000 }]",
        "stream_id_bits = 8\nlive_groups = [{ stream_id = 1, mask = 0x100 }]",
        "live_groups = [{ stream_id = 1 }, { stream_id = 2, group = 48 }]",
        "live_groups = [{ stream_id = 1 }, { stream_id = 2, group = 0 }]",
        "live_groups = [{ stream_id = 1, kind = \"translate\" }]",
        "live_groups = [{ stream_id = 1, kind = \"translate\", context_bank = 16 }]",
        "live_groups = [{ stream_id = 1, kind = \"fault\", context_bank = 1 }]",
    ];
    let messages = wrong.map(|text| {
        let error = parse(text).validate().expect_err(text);
        format!("{}\n    {error}\n", text.replace('\n', ", "))
    });
    insta::assert_snapshot!(messages.concat());
}
