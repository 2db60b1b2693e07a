import { Argument, type Command } from 'commander'
import { print } from '../../output/terminal.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

/** Commands whose arguments are views. */
const ofViews = [
  'show',
  'refresh',
  'create',
  'drop',
  'runs',
  'actions',
  'pause',
  'resume',
  'metrics',
  'graph',
  'why',
  'test',
  'bad-row',
  'open',
  'freeze',
  'adopt',
]

/** Prints the names of environments, for a shell: by the command itself, because the configuration is TypeScript. */
const environments = '{ viewkeeper env list -o name || npx --no viewkeeper env list -o name; } 2>/dev/null'

/**
 * Prints a script that completes commands, options, and the names of views by the files in `views/`. The shell completes by
 * itself: no process is started for it.
 */
export const completion = (program: Command, shell: Shell): void => print(scripts[shell](commandsOf(program)))

interface Described {
  name: string
  text: string
  options: { name: string; text: string }[]
}

const commandsOf = (program: Command): Described[] =>
  program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({
      name: command.name(),
      text: plainText(command.description()),
      options: command.options.flatMap((option) =>
        option.long && !option.hidden ? [{ name: option.long, text: plainText(option.description) }] : [],
      ),
    }))

/** A text that can stand in quotes of any of the shells. */
const plainText = (text: string): string => text.replaceAll(/['"`$\\:[\]]/g, '')

const optionsOf = ({ options }: Described): string => options.map(({ name }) => name).join(' ')

const scripts: Record<Shell, (commands: Described[]) => string> = {
  bash: (commands) => `# viewkeeper completion bash > ~/.local/share/bash-completion/completions/viewkeeper
_viewkeeper_views() {
  local file
  for file in views/*.ts views/*/*.ts; do
    [ -e "$file" ] || continue
    file=\${file#views/}; file=\${file%.ts}
    printf '%s\\n' "\${file/\\//.}"
  done
}
_viewkeeper() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${commands.map(({ name }) => name).join(' ')}'
  elif [[ $before == --env || $before == -e || $command:$before == env:use ]]; then
    words=$(${environments})
  elif [[ $word == -* ]]; then
    case $command in
${commands.map((each) => `      ${each.name}) words='${optionsOf(each)}' ;;`).join('\n')}
    esac
  else
    case $command in
      ${ofViews.join('|')}) words=$(_viewkeeper_views) ;;
      completion) words='${shells.join(' ')}' ;;
      env) words='list use' ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _viewkeeper viewkeeper`,

  zsh: (commands) => `#compdef viewkeeper
# viewkeeper completion zsh > "\${fpath[1]}/_viewkeeper"
_viewkeeper() {
  local -a commands options views
  if (( CURRENT == 2 )); then
    commands=(
${commands.map(({ name, text }) => `      '${name}:${text}'`).join('\n')}
    )
    _describe command commands
    return
  fi
  if [[ $words[CURRENT-1] == (--env|-e) || $words[2]:$words[CURRENT-1] == env:use ]]; then
    compadd \${(f)"$(${environments})"}
    return
  fi
  if [[ $words[CURRENT] == -* ]]; then
    case $words[2] in
${commands.map((each) => `      ${each.name}) options=(${each.options.map(({ name, text }) => `'${name}:${text}'`).join(' ')}) ;;`).join('\n')}
    esac
    _describe option options
    return
  fi
  case $words[2] in
    ${ofViews.join('|')})
      views=(views/*.ts(N:t:r) \${\${\${(f)"$(print -l views/*/*.ts(N))"}#views/}:r:s:/:.:})
      compadd -a views ;;
    completion) compadd ${shells.join(' ')} ;;
    env) compadd list use ;;
    *) _files ;;
  esac
}
compdef _viewkeeper viewkeeper`,

  fish: (commands) => `# viewkeeper completion fish > ~/.config/fish/completions/viewkeeper.fish
function __viewkeeper_views
  for file in views/*.ts views/*/*.ts
    string replace -r '^views/(.*)\\.ts$' '$1' $file | string replace / .
  end
end
complete -c viewkeeper -n __fish_use_subcommand -f
${commands.map(({ name, text }) => `complete -c viewkeeper -n __fish_use_subcommand -a ${name} -d '${text}'`).join('\n')}
${commands
  .flatMap((each) =>
    each.options.map(
      ({ name, text }) =>
        `complete -c viewkeeper -n '__fish_seen_subcommand_from ${each.name}' -l ${name.slice(2)} -d '${text}'${name === '--env' ? ` -s e -x -a '(${environments})'` : ''}`,
    ),
  )
  .join('\n')}
complete -c viewkeeper -n '__fish_seen_subcommand_from ${ofViews.join(' ')}' -f -a '(__viewkeeper_views)'
complete -c viewkeeper -n '__fish_seen_subcommand_from use' -f -a '(${environments})'
complete -c viewkeeper -n '__fish_seen_subcommand_from env' -f -a 'list use'
complete -c viewkeeper -n '__fish_seen_subcommand_from completion' -f -a '${shells.join(' ')}'`,
}

/** Declares `completion`. */
export function addTo(program: Command): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .description('print a script that completes commands and views')
    .action((shell) => completion(program, shell))
}
