/**
 * Shell completion, made from the parser's own tree of commands: what --help shows is what Tab offers. Values that come from lists are
 * offered by name (`listedValues`, `listedArguments`); where a placeholder says that a file or folder is meant, files are.
 */
import type { Option, Command as Parser } from 'commander';
import { backends } from '../backends/index.js';
import { datasetKinds } from '../data/index.js';
import { filterForms } from '../formats/subbit.js';
import { type Preset, presets } from '../nn/models/index.js';
import { activationQuantizers, weightQuantizers } from '../nn/quantizers/index.js';
import { selectionMethods, selectionStarts } from '../nn/selection.js';
import { optimizers } from '../optim/optimizers.js';
import { schedules } from '../optim/schedules.js';
import { computes } from '../train/compute.js';
import { formats } from './commands/export.js';

export const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** Values by what they are for. */
type Listed = Readonly<Record<string, readonly string[]>>;

/** Of options, by their long flags. */
export async function listedValues(): Promise<Listed> {
  const sets = (await datasetKinds()).filter(({ published }) => published !== undefined);
  return { ...fixedValues, '--data': sets.map(({ name }) => name) };
}

const fixedValues: Listed = {
  '--activation': ['clip', 'cabs'],
  '--activation-quantizer': Object.keys(activationQuantizers),
  '--backend': Object.keys(backends),
  '--checkpoint': ['last', 'best'],
  '--columns': ['selected', 'all'],
  '--compute': Object.keys(computes),
  '--filters': filterForms,
  '--format': Object.keys(formats),
  '--optimizer': Object.keys(optimizers),
  '--scale': ['layer', 'channel'],
  '--schedule': Object.keys(schedules),
  '--select': Object.keys(selectionMethods),
  '--share': ['layer', 'stage'],
  '--shortcut-activation': ['none', 'rprelu'],
  '--split': ['test', 'train'],
  '--start': Object.keys(selectionStarts),
  '--weight-quantizer': Object.keys(weightQuantizers),
  '--width': [...new Set(Object.values<Preset>(presets).flatMap(({ widths }) => widths ?? []))],
};

/** Of arguments, by what their placeholders may be: <run|model|preset>. */
const listedArguments: Listed = {
  preset: Object.keys(presets),
  shell: Object.keys(shells),
};

interface CompletedOption {
  readonly flags: readonly string[];
  readonly long: string | undefined;
  readonly description: string;
  readonly takesValue: boolean;
  readonly values: readonly string[];
  readonly takesFile: boolean;
}

interface CompletedCommand {
  /** "subbit bench train" */
  readonly path: string;
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletedOption[];
  /** Values of the arguments. */
  readonly values: readonly string[];
  readonly takesFile: boolean;
}

/** A command and all below it, the command first. */
export function commandTree(command: Parser, listed: Listed, above: readonly string[] = []): CompletedCommand[] {
  const names = [...above, command.name()];
  const help = command.createHelp();
  const placeholders = help.visibleArguments(command).flatMap((argument) => argument.name().split('|'));
  const children = help.visibleCommands(command);
  return [
    {
      path: names.join(' '),
      subcommands: children.map((child) => ({ name: child.name(), description: child.description() })),
      options: help.visibleOptions(command).map((option) => completedOption(option, listed)),
      values: placeholders.flatMap((name) => listedArguments[name] ?? []),
      takesFile: placeholders.some((name) => listedArguments[name] === undefined),
    },
    ...children
      .filter((child) => child.name() !== 'help')
      .flatMap((child) => commandTree(child as Parser, listed, names)),
  ];
}

function completedOption(option: Option, listed: Listed): CompletedOption {
  const { short, long, description } = option;
  return {
    flags: [long, short].filter((flag) => flag !== undefined),
    long,
    description,
    takesValue: option.required,
    values: (long && listed[long]) || [],
    takesFile: (option.required || option.optional) && /[<|[](file|dir|run|path)/.test(option.flags),
  };
}

/** The part of the function, the same in bash and zsh, that finds the command in the words before the cursor. (In zsh `path` is $PATH.) */
function pathLoop(tree: readonly CompletedCommand[], words: string): string {
  const known = tree.slice(1).map(({ path }) => quoted(path));
  return `  local at=subbit word
  for word in ${words}; do
    case "$at $word" in
      ${known.join(' | ')}) at="$at $word" ;;
    esac
  done`;
}

function bashScript(tree: readonly CompletedCommand[]): string {
  const optionCases = tree.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .flatMap(({ flags, values, takesFile }) =>
        flags.map(
          (flag) => `    ${quoted(`${path} ${flag}`)}) words=${quoted(values.join(' '))} files=${takesFile ? 1 : 0} ;;`,
        ),
      ),
  );
  const commandCases = tree.map(({ path, subcommands, options, values, takesFile }) => {
    const flags = options.flatMap((option) => option.flags).join(' ');
    const words = [...subcommands.map(({ name }) => name), ...values].join(' ');
    return `    ${quoted(path)}) flags=${quoted(flags)} arguments=${quoted(words)} argument_files=${takesFile ? 1 : 0} ;;`;
  });
  return `# Completion of subbit for bash. For this shell: source <(subbit completion bash); for all: add that line to ~/.bashrc
_subbit() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local words='' files=0 flags='' arguments='' argument_files=0
${pathLoop(tree, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`)}
  case "$at" in
${commandCases.join('\n')}
  esac
  case "$at $previous" in
${optionCases.join('\n')}
    *)
      if [[ $current == -* ]]; then words=$flags; else words=$arguments files=$argument_files; fi ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if ((files)); then COMPREPLY+=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _subbit subbit
`;
}

function zshScript(tree: readonly CompletedCommand[]): string {
  const described = (name: string, text: string): string => quoted(`${name.replaceAll(':', '\\:')}:${text}`);
  const files = (takesFile: boolean): string => (takesFile ? ' _files;' : '');
  const added = (values: readonly string[]): string =>
    values.length === 0 ? '' : ` compadd -- ${values.map(quoted).join(' ')};`;
  const optionCases = tree.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ flags, values, takesFile }) => {
        const patterns = flags.map((flag) => quoted(`${path} ${flag}`)).join(' | ');
        return `    ${patterns})${added(values)}${files(takesFile)} return ;;`;
      }),
  );
  const commandCases = tree.map(({ path, subcommands, options, values, takesFile }) => {
    const flags = options.flatMap((option) => option.flags.map((flag) => described(flag, option.description)));
    const names = subcommands.map(({ name, description }) => described(name, description));
    return `    ${quoted(path)})
      if [[ \${words[CURRENT]} == -* ]]; then
        found=(${flags.join(' ')})
      else
        found=(${names.join(' ')})
       ${added(values)}${files(takesFile)}
      fi ;;`;
  });
  return `#compdef subbit
# Completion of subbit for zsh. For this shell: source <(subbit completion zsh); for all: write it to a file _subbit in a folder of $fpath
_subbit() {
  local -a found
${pathLoop(tree, `\${words[2,CURRENT-1]}`)}
  case "$at \${words[CURRENT-1]}" in
${optionCases.join('\n')}
  esac
  case "$at" in
${commandCases.join('\n')}
  esac
  _describe subbit found
}
if [[ $funcstack[1] == _subbit ]]; then _subbit "$@"; else compdef _subbit subbit; fi
`;
}

function fishScript(tree: readonly CompletedCommand[]): string {
  const lines = tree.flatMap(({ path, subcommands, options, values, takesFile }) => {
    const line = (rest: string): string => `complete -c subbit -n ${quoted(`__subbit_at ${path}`)} ${rest}`;
    const argumentWords = values.length === 0 ? [] : [line(`-a ${fishQuoted(values.join(' '))}`)];
    return [
      line(takesFile ? '-F' : '-f'),
      ...argumentWords,
      ...subcommands.map(({ name, description }) => line(`-a ${name} -d ${fishQuoted(description)}`)),
      ...options.map(({ flags, description, takesValue, values: listed, takesFile: takesPath }) => {
        const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
        const value = takesValue ? ` -r ${takesPath ? '-F' : '-f'}` : '';
        const words = listed.length === 0 ? '' : ` -a ${fishQuoted(listed.join(' '))}`;
        return line(`${names.join(' ')}${value}${words} -d ${fishQuoted(description)}`);
      }),
    ];
  });
  const known = tree.slice(1).map(({ path }) => fishQuoted(path));
  return `# Completion of subbit for fish. For this shell: subbit completion fish | source; for all: > ~/.config/fish/completions/subbit.fish
function __subbit_at
    set -l found subbit
    for word in (commandline -opc)[2..-1]
        switch "$found $word"
            case ${known.join(' ')}
                set found "$found $word"
        end
    end
    test "$found" = "$argv"
end
${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
