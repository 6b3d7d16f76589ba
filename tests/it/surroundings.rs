//! `docs/surroundings.md` shows configs that work.

use crate::scene::Scene;

#[test]
fn every_example_of_the_documentation_is_a_config() {
    let text = include_str!("../../docs/surroundings.md");
    let examples: Vec<&str> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3, "one for each section");
    for example in &examples {
        let scene = Scene::new();
        scene.write("trainguard.yaml", example);
        let answer = scene.run(&["check"]);
        assert_eq!(answer.code, 0, "{example}\n{answer:?}");
        assert!(!answer.stdout.contains("not in effect"), "{}", answer.stdout);
    }
    let scene = Scene::new();
    scene.write("trainguard.yaml", examples.concat());
    let answer = scene.run(&["check"]);
    assert_eq!(answer.code, 0, "all together: {answer:?}");
    for name in ["coder", "nightly", "data", "weights", "image", "environment"] {
        assert!(answer.stdout.contains(name), "{name} in {}", answer.stdout);
    }
}
