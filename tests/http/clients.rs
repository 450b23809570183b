//! What real clients of the API do: the requests of the `coder` command line, of both generations, and of the
//! Terraform provider, in their order and with their bodies; the answers are decoded as strictly as those clients do.

#[path = "clients/command_line.rs"]
mod command_line;
#[path = "clients/sdk.rs"]
mod sdk;
#[path = "clients/terraform.rs"]
mod terraform;
