import ArgumentParser

struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A script that makes a shell complete lispctl's commands.",
        discussion: "bash: lispctl completions bash > /etc/bash_completion.d/lispctl"
    )

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish
    }

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() throws {
        let shell: CompletionShell =
            switch self.shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        try writeText(Lispctl.completionScript(for: shell) + "\n")
    }
}
