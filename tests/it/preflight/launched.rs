//! What `launch` makes of a look at the GPUs.

use super::{FREE, Node, ON_SECOND};
use crate::gpu::{NVML, training};
use crate::scene::Answer;
use serde_json::Value;

fn launch(node: &Node, flags: &[&str]) -> Answer {
    let command = ["CUDA_VISIBLE_DEVICES=GPU-bbbbbbbb", "/bin/echo", "it runs"];
    let arguments = [&["launch", "--name", "demo"], flags, &["--"], &command].concat();
    let mut launch = node.0.scene.command(&arguments);
    node.equip(&mut launch);
    launch.output().unwrap().into()
}

#[test]
fn a_run_is_not_launched_onto_a_busy_gpu_unless_somebody_says_so() {
    assert!(ON_SECOND[0].ends_with("GPU-bbbbbbbb"), "the same card");
    let node = Node::new(NVML);
    let other = training(&[]);
    node.occupied(&other);
    let at_once = ["--wait", "0", "--decision-timeout", "0"];
    let answer = launch(&node, &at_once);
    assert_eq!((answer.code, answer.stdout.as_str()), (1, ""), "{answer:?}");
    assert!(answer.stderr.contains(&other.pid()), "it says who: {answer:?}");
    assert!(!node.0.scene.path(".trainguard/demo/run.json").exists());
    assert!(!node.0.scene.path("demo.log").exists());
    let answer = launch(&node, &[&at_once[..], &["--default", "continue"]].concat());
    assert_eq!((answer.code, answer.stdout.as_str()), (0, "it runs\n"), "{answer:?}");
    let answer = launch(&node, &["--no-preflight"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, "it runs\n"), "{answer:?}");
}

#[test]
fn a_launched_run_is_recorded_with_the_gpus_that_it_was_given() {
    let node = Node::new(NVML);
    node.set(FREE);
    let answer = launch(&node, &[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let record: Value = serde_json::from_str(&node.0.scene.read(".trainguard/demo/run.json")).unwrap();
    let gpus = record["gpus"].as_array().unwrap();
    assert!(gpus.len() == 1 && gpus[0].as_str().unwrap().starts_with("GPU-bbbbbbbb"), "{gpus:?}");
}
