//! Which runs the experiment is made of. A run is the flags of `ssgan train` that make it, so that each can be
//! repeated alone.

/// What an arm belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Supervised alone, on the labelled images.
    Baselines,
    /// The GAN with the report's settings.
    SemiSupervised,
    /// Beyond the report.
    Recipes,
    /// The report's closing question: improve the discriminator, the generator, or both? One thing changed at a time in
    /// the semi-supervised cnn.
    Ablations(Part),
}

/// What an ablation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// D's network or loss.
    Discriminator,
    /// G's network or loss.
    Generator,
    /// Both.
    Both,
    /// How many images have labels.
    Labels,
}

/// The arm that ablations change.
pub const BASE: &str = "ssl-cnn";

/// An arm of the experiment: runs that differ in their seeds alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Names its runs' folders, such as `ssl-cnn`.
    pub key: &'static str,
    /// What its runs show.
    pub section: Section,
    /// As tables call it.
    pub label: &'static str,
    /// The network.
    pub network: &'static str,
    /// Test accuracy in the report; of `recipe-paper` that of the paper.
    pub reference: Option<f64>,
    flags: &'static [&'static str],
    /// More flags, of the short version.
    quick: &'static [&'static str],
}

const QUICK_SUPERVISED: &[&str] = &["--epochs", "20"];
const QUICK_SSL: &[&str] = &["--epochs", "3", "--unlabelled", "5120"];
const SUPERVISED: &[&str] = &["--method", "supervised", "--evaluate-every", "5"];

/// The report averages nothing; 0.001, the program's own, looks back over the whole of a run as short as this.
const CNN: &[&str] = &["--ema-rate", "0.01"];
/// The report does not tell its beta2. Of a memory of 1,000 steps the large gradients of the first hundred would fill most of
/// this run's 1,170 (docs/recipes.md).
const DNN: &[&str] = &["--ema-rate", "0.01", "--beta2", "0.99"];

/// The report's four models, in the order of its tables, and recipes.
pub const ARMS: [Arm; 20] = [
    arm(Section::Baselines, "supervised-cnn", "cnn", "cnn", Some(0.8339), SUPERVISED),
    arm(Section::Baselines, "supervised-dnn", "dnn", "dnn", Some(0.6946), SUPERVISED),
    arm(Section::SemiSupervised, BASE, "cnn", "cnn", Some(0.9509), CNN),
    arm(Section::SemiSupervised, "ssl-dnn", "dnn", "dnn", Some(0.7794), DNN),
    arm(Section::Recipes, "recipe-quick", "quick, cnn", "cnn", None, &["--recipe", "quick"]),
    arm(Section::Recipes, "recipe-best", "best, cnn-deep", "cnn-deep", None, &["--recipe", "best"]),
    Arm {
        // 93 of 10,000 wrong.
        reference: Some(0.9907),
        quick: &["--epochs", "5", "--unlabelled", "1000"],
        ..arm(
            Section::Recipes,
            PAPER,
            "paper, dnn-unit",
            "dnn-unit",
            None,
            &["--recipe", "paper", "--evaluate-every", "5"],
        )
    },
    ablation(Part::Discriminator, "minibatch", "minibatch discrimination", "cnn-minibatch", &[]),
    ablation(
        Part::Discriminator,
        "label-smoothing",
        "label smoothing 0.1",
        "cnn",
        &["--label-smoothing", "0.1"],
    ),
    ablation(
        Part::Discriminator,
        "batch-norm",
        "batch norm for weight norm and data-dependent start",
        "cnn-batch-norm",
        &[],
    ),
    ablation(Part::Discriminator, "noise", "Gaussian noise on the images", "cnn-noise", &[]),
    ablation(
        Part::Generator,
        "plain-loss",
        "-log D(G(z)) for feature matching",
        "cnn",
        &["--generator-loss", "non-saturating"],
    ),
    ablation(Part::Generator, "conv-generator", "convolutional generator", "cnn", &["--generator", "conv"]),
    ablation(
        Part::Generator,
        "moments",
        "moment matching, convolutional generator",
        "cnn",
        &["--generator", "conv-varied", "--generator-loss", "moment-matching"],
    ),
    ablation(
        Part::Both,
        "both",
        "minibatch discrimination, convolutional generator",
        "cnn-minibatch",
        &["--generator", "conv"],
    ),
    ablation(Part::Labels, "labels-20", "20 labels", "cnn", &["--labels", "20"]),
    ablation(Part::Labels, "labels-50", "50 labels", "cnn", &["--labels", "50"]),
    ablation(Part::Labels, "labels-200", "200 labels", "cnn", &["--labels", "200"]),
    ablation(Part::Labels, "labels-1000", "1000 labels", "cnn", &["--labels", "1000"]),
    ablation(
        Part::Labels,
        "labels-clusters",
        "100 labels by clusters",
        "cnn",
        &["--label-choice", "clusters"],
    ),
];

const fn arm(
    section: Section,
    key: &'static str,
    label: &'static str,
    network: &'static str,
    reference: Option<f64>,
    flags: &'static [&'static str],
) -> Arm {
    let quick = if matches!(section, Section::Baselines) { QUICK_SUPERVISED } else { QUICK_SSL };
    Arm { key, section, label, network, reference, flags, quick }
}

const fn ablation(
    part: Part,
    key: &'static str,
    label: &'static str,
    network: &'static str,
    flags: &'static [&'static str],
) -> Arm {
    arm(Section::Ablations(part), key, label, network, None, flags)
}

/// Key of the arm that takes longer than all others.
const PAPER: &str = "recipe-paper";

/// One training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Names the run's folder: `ssl-cnn-seed3`.
    pub id: String,
    /// Whose run it is.
    pub arm: Arm,
    /// Seed of the choice of labelled images, and of everything else in the run.
    pub seed: u64,
    /// Flags of `ssgan train`.
    pub flags: Vec<String>,
}

/// How much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Data set.
    pub dataset: String,
    /// Label seeds 1 to this.
    pub label_seeds: u64,
    /// A few minutes in place of hours.
    pub quick: bool,
    /// With the paper's settings, 180,000 steps a run.
    pub paper: bool,
    /// With the ablations.
    pub ablate: bool,
}

impl Scope {
    fn has(&self, arm: &Arm) -> bool {
        match arm.section {
            Section::Ablations(_) => self.ablate,
            _ => self.paper || arm.key != PAPER,
        }
    }
}

/// The plan: every arm with every label seed, the first seed of all arms first, so that a table with one column
/// is there early.
pub fn plan(scope: &Scope) -> Vec<Planned> {
    let run = |arm: &Arm, seed: u64| {
        let seeds = seed.to_string();
        let mut flags = vec!["--dataset", &scope.dataset, "--model", arm.network];
        flags.extend(["--label-seed", &seeds, "--seed", &seeds]);
        if matches!(arm.section, Section::Ablations(_)) {
            flags.extend(CNN);
        }
        flags.extend(arm.flags);
        if scope.quick {
            flags.extend(arm.quick);
        }
        Planned {
            id: format!("{}-seed{seed}", arm.key),
            arm: arm.clone(),
            seed,
            flags: flags.into_iter().map(str::to_string).collect(),
        }
    };
    let arms = || ARMS.iter().filter(|arm| scope.has(arm));
    (1..=scope.label_seeds).flat_map(|seed| arms().map(move |arm| run(arm, seed))).collect()
}

/// The runs of shard `i` of `n`, counted from 1. The shards take turns, and another one begins with each seed, so that
/// none has the slow models alone.
pub fn shard(plan: Vec<Planned>, (i, n): (usize, usize)) -> Vec<Planned> {
    let mut arms: Vec<&'static str> = vec![];
    let mut of = |p: &Planned| {
        let at = arms.iter().position(|arm| *arm == p.arm.key).unwrap_or_else(|| {
            arms.push(p.arm.key);
            arms.len() - 1
        });
        (at + p.seed as usize) % n.max(1)
    };
    plan.into_iter().filter(|p| of(p) == i % n.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn scope(quick: bool) -> Scope {
        Scope { dataset: "mnist".into(), label_seeds: 5, quick, paper: true, ablate: true }
    }

    #[test]
    fn every_run_has_its_own_name_and_flags() {
        let runs = plan(&scope(false));
        assert_eq!(runs.len(), 100);
        assert_eq!(runs.iter().map(|r| &r.id).collect::<BTreeSet<_>>().len(), 100);
        assert_eq!(runs.iter().map(|r| &r.flags).collect::<BTreeSet<_>>().len(), 100);
        assert_eq!(runs[22].id, "ssl-cnn-seed2");
        let line = "--dataset mnist --model cnn --label-seed 2 --seed 2 --ema-rate 0.01";
        assert_eq!(runs[22].flags.join(" "), line);
    }

    #[test]
    fn shards_are_a_partition() {
        for n in 1..8 {
            let all: Vec<Planned> = (1..=n).flat_map(|i| shard(plan(&scope(true)), (i, n))).collect();
            let ids: BTreeSet<&String> = all.iter().map(|r| &r.id).collect();
            assert_eq!((all.len(), ids.len()), (100, 100), "{n}");
        }
        // As many shards as models: each has another kind with each of the five label seeds.
        let six = Scope { paper: false, ablate: false, ..scope(false) };
        for i in 1..=6 {
            let keys: BTreeSet<&str> = shard(plan(&six), (i, 6)).iter().map(|p| p.arm.key).collect();
            assert_eq!(keys.len(), 5, "{i}");
        }
        assert!((1..=100).map(|i| shard(plan(&scope(true)), (i, 100)).len()).any(|n| n == 0));
    }
}
