//! Which runs the experiment is made of. A run is the flags of `ssgan train` that make it, so that each can be
//! repeated alone.

/// What a group of runs belongs to.
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

/// The group that ablations change.
pub const BASE: &str = "ssl-cnn";

/// Runs that differ in their seeds alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
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
pub const GROUPS: [Group; 17] = [
    Group {
        key: "supervised-cnn",
        section: Section::Baselines,
        label: "cnn",
        network: "cnn",
        reference: Some(0.8339),
        flags: SUPERVISED,
        quick: QUICK_SUPERVISED,
    },
    Group {
        key: "supervised-dnn",
        section: Section::Baselines,
        label: "dnn",
        network: "dnn",
        reference: Some(0.6946),
        flags: SUPERVISED,
        quick: QUICK_SUPERVISED,
    },
    Group {
        key: BASE,
        section: Section::SemiSupervised,
        label: "cnn",
        network: "cnn",
        reference: Some(0.9509),
        flags: CNN,
        quick: QUICK_SSL,
    },
    Group {
        key: "ssl-dnn",
        section: Section::SemiSupervised,
        label: "dnn",
        network: "dnn",
        reference: Some(0.7794),
        flags: DNN,
        quick: QUICK_SSL,
    },
    Group {
        key: "recipe-best",
        section: Section::Recipes,
        label: "best, cnn",
        network: "cnn",
        reference: None,
        flags: &["--recipe", "best"],
        quick: QUICK_SSL,
    },
    Group {
        key: PAPER,
        section: Section::Recipes,
        label: "paper, dnn-unit",
        network: "dnn-unit",
        // 93 of 10,000 wrong.
        reference: Some(0.9907),
        flags: &["--recipe", "paper", "--evaluate-every", "5"],
        quick: &["--epochs", "5", "--unlabelled", "1000"],
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
];

const fn ablation(
    part: Part,
    key: &'static str,
    label: &'static str,
    network: &'static str,
    flags: &'static [&'static str],
) -> Group {
    Group { key, section: Section::Ablations(part), label, network, reference: None, flags, quick: QUICK_SSL }
}

/// Key of the group that takes longer than all others.
const PAPER: &str = "recipe-paper";

/// One training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Names the run's folder: `ssl-cnn-seed3`.
    pub id: String,
    /// Whose run it is.
    pub group: Group,
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
    fn has(&self, group: &Group) -> bool {
        match group.section {
            Section::Ablations(_) => self.ablate,
            _ => self.paper || group.key != PAPER,
        }
    }
}

/// The plan: every group with every label seed, the first seed of all groups first, so that a table with one column
/// is there early.
pub fn plan(scope: &Scope) -> Vec<Planned> {
    let run = |group: &Group, seed: u64| {
        let seeds = seed.to_string();
        let mut flags = vec!["--dataset", &scope.dataset, "--model", group.network];
        flags.extend(["--label-seed", &seeds, "--seed", &seeds]);
        if matches!(group.section, Section::Ablations(_)) {
            flags.extend(CNN);
        }
        flags.extend(group.flags);
        if scope.quick {
            flags.extend(group.quick);
        }
        Planned {
            id: format!("{}-seed{seed}", group.key),
            group: group.clone(),
            seed,
            flags: flags.into_iter().map(str::to_string).collect(),
        }
    };
    let groups = || GROUPS.iter().filter(|g| scope.has(g));
    (1..=scope.label_seeds).flat_map(|seed| groups().map(move |g| run(g, seed))).collect()
}

/// The runs of shard `i` of `n`, counted from 1. The shards take turns, and another one begins with each seed, so that
/// none has the slow models alone.
pub fn shard(plan: Vec<Planned>, (i, n): (usize, usize)) -> Vec<Planned> {
    let mut groups: Vec<&'static str> = vec![];
    let mut of = |p: &Planned| {
        let at = groups.iter().position(|g| *g == p.group.key).unwrap_or_else(|| {
            groups.push(p.group.key);
            groups.len() - 1
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
        assert_eq!(runs.len(), 85);
        assert_eq!(runs.iter().map(|r| &r.id).collect::<BTreeSet<_>>().len(), 85);
        assert_eq!(runs.iter().map(|r| &r.flags).collect::<BTreeSet<_>>().len(), 85);
        assert_eq!(runs[19].id, "ssl-cnn-seed2");
        let line = "--dataset mnist --model cnn --label-seed 2 --seed 2 --ema-rate 0.01";
        assert_eq!(runs[19].flags.join(" "), line);
    }

    #[test]
    fn shards_are_a_partition() {
        for n in 1..8 {
            let all: Vec<Planned> = (1..=n).flat_map(|i| shard(plan(&scope(true)), (i, n))).collect();
            let ids: BTreeSet<&String> = all.iter().map(|r| &r.id).collect();
            assert_eq!((all.len(), ids.len()), (85, 85), "{n}");
        }
        // As many shards as models: each has some of every kind.
        let five = Scope { paper: false, ablate: false, ..scope(false) };
        for i in 1..=5 {
            let keys: BTreeSet<&str> = shard(plan(&five), (i, 5)).iter().map(|p| p.group.key).collect();
            assert_eq!(keys.len(), 5, "{i}");
        }
        assert!((1..=100).map(|i| shard(plan(&scope(true)), (i, 100)).len()).any(|n| n == 0));
    }
}
