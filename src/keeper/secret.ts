import { readFileSync } from 'node:fs'
import { Problem } from '../problem.ts'

/**
 * A secret: a variable, or the content of the file that `<variable>_FILE` names, as orchestrators mount it. Undefined if there is
 * neither. Refuses (InvalidRequest) both at once, and a file that cannot be read.
 */
export function readSecret(variable: string, env: NodeJS.ProcessEnv): string | undefined {
  const { [variable]: value, [`${variable}_FILE`]: file } = env
  if (value && file)
    throw refused(variable, `${variable} and ${variable}_FILE are both set. Unset one of them.`)
  if (!file) return value || undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw refused(`${variable}_FILE`, `${variable}_FILE names ${file}, which cannot be read (${code}).`)
  }
}

/** The same for a secret that has to be there. `what` says what it is. */
export function requireSecret(variable: string, what: string, env: NodeJS.ProcessEnv): string {
  const secret = readSecret(variable, env)
  if (secret !== undefined) return secret
  throw refused(
    variable,
    `${variable} is not set: it is ${what}. Set it, or ${variable}_FILE to a file that has it.`,
  )
}

const refused = (field: string, message: string) => new Problem('InvalidRequest', message, { field })
