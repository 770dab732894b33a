/** TypeScript as JavaScript, by the optional package typescript, which only takes the types away: nothing is checked. */
import { SubbitError } from './errors.js';

/** What is used of typescript. */
interface TypeScript {
  transpileModule(source: string, options: { compilerOptions: object }): { outputText: string };
}

/** `file` is named when the package is missing, in a SubbitError. */
export async function withoutTypes(file: string, source: string): Promise<string> {
  // The name in a variable: the package need not be there when subbit is compiled.
  const name = 'typescript';
  let typescript: TypeScript;
  try {
    typescript = ((await import(name)) as { default: TypeScript }).default;
  } catch {
    throw new SubbitError(
      `'${file}' is TypeScript, for which the optional package typescript is missing (npm install typescript); JavaScript (.mjs) needs none`,
    );
  }
  const compilerOptions = { target: 'es2022', module: 'esnext', verbatimModuleSyntax: true };
  return typescript.transpileModule(source, { compilerOptions }).outputText;
}
