// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files for schedulers, checked by validators of these schedulers.

use std::path::{Path, PathBuf};

use integration_tests::python::{Venv, run};

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    root.join(name)
}

/// Validates a job with the schema of a version of Kubernetes; a job with a mistake has to be refused.
const KUBERNETES: &str = "
import copy, sys, yaml, kubernetes_validate
job = yaml.safe_load(open(sys.argv[1]))
kubernetes_validate.validate(job, '1.33', strict=True)
for spoil in (lambda spec: spec.update(backoffLimitPerIndx=1), lambda spec: spec.update(completions='many')):
    spoilt = copy.deepcopy(job)
    spoil(spoilt['spec'])
    try:
        kubernetes_validate.validate(spoilt, '1.33', strict=True)
    except kubernetes_validate.ValidationError:
        continue
    raise AssertionError(spoilt)
spec = job['spec']
assert spec['completionMode'] == 'Indexed' and spec['backoffLimitPerIndex'] > 0
# The number of shards stands there twice.
container = spec['template']['spec']['containers'][0]
assert f\"--shard-count {spec['completions']} \" in container['args'][0]
";

#[test]
fn kubernetes_takes_the_indexed_job() {
    let dir = tempfile::tempdir().unwrap();
    let venv = Venv::new(dir.path(), &["kubernetes-validate", "pyyaml"]).unwrap();
    let job = file("ci/engines/kubernetes.yaml");
    run(venv.program("python").args(["-c", KUBERNETES]).arg(job)).unwrap();
}

#[test]
fn github_takes_the_workflow() {
    let dir = tempfile::tempdir().unwrap();
    let venv = Venv::new(dir.path(), &["check-jsonschema"]).unwrap();
    let check = |workflow: &Path| {
        let mut check = venv.program("check-jsonschema");
        run(check
            .args(["--builtin-schema", "vendor.github-workflows"])
            .arg(workflow))
    };
    let workflow = file(".github/workflows/nightly.yml");
    check(&workflow).unwrap();
    let spoilt = dir.path().join("spoilt.yml");
    let text = std::fs::read_to_string(&workflow).unwrap();
    std::fs::write(&spoilt, text.replacen("runs-on:", "run-on:", 1)).unwrap();
    assert!(check(&spoilt).is_err(), "a misspelt key is taken");
}
