//! Business applications and links.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_host_protocol::application::Scope;

use super::{HomeArgument, HostArguments};

#[derive(Subcommand)]
pub enum ApplicationsCommand {
    /// Which applications may shop for you, and what each may do.
    #[command(after_help = "Example: semper applications list --home anna")]
    List {
        #[command(flatten)]
        home: HomeArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let an application in: you decide in the TINGUIN, and get its token.
    Pair(PairArguments),
    /// Take back what an application may do. What it has begun goes on, and is yours alone.
    #[command(
        after_help = "Example: semper applications remove --home anna --name \"Shopping list\""
    )]
    Remove {
        #[command(flatten)]
        home: HomeArgument,
        /// The application's name.
        #[arg(long)]
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper applications pair --home anna --name \"Shopping list\" --may look --may shop\n  semper applications pair --home anna --name \"My shop\" --origin https://list.example\nPrograms can also ask for themselves, over HTTP, if semper.toml has a port under [applications]."
)]
pub struct PairArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The application's name.
    #[arg(long)]
    pub name: String,
    /// What it may do: look, shop, receipts; may be given several times. Without it: all of it.
    #[arg(long)]
    pub may: Vec<Scope>,
    /// The origin of the web page that it is, with https. Its token serves that page alone.
    #[arg(long)]
    pub origin: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper mcp --home anna --name \"My agent\"\nFor an agent that speaks the Model Context Protocol: it starts this command and speaks to it over standard\ninput and output. At the first call you decide about it in the TINGUIN."
)]
pub struct McpArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The name by which you know the agent.
    #[arg(long)]
    pub name: String,
    /// What it may do: look, shop, receipts; may be given several times. Without it: all of it.
    #[arg(long)]
    pub may: Vec<Scope>,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper open --home anna \"semper://shop.example/?search.words=scarf\"\nA link names a merchant, and may fill in forms (topic.field=text) and name options (topic=text). What it\nsays is shown first, and nothing is fetched before you say yes; it decides nothing. A link in a file, such as one\nread from a QR code: --file."
)]
pub struct OpenArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    #[command(flatten)]
    pub host: HostArguments,
    /// The link: semper://…
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub link: Option<String>,
    /// A file with the link in it.
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Do not ask whether to go on. Otherwise it is asked here, or in the TINGUIN where there is no
    /// terminal.
    #[arg(long)]
    pub yes: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
