/**
 * A command line of `viewkeeper` for people to type, in a POSIX shell: `viewkeeper why app.sales --env production`. Words
 * that a shell would read otherwise are quoted. `environment` null: the local gateway, which needs no `--env`.
 */
export const command = (words: string[], environment: string | null): string =>
  ['viewkeeper', ...words, ...(environment === null ? [] : ['--env', environment])].map(quoted).join(' ')

/** Characters that no shell changes, wherever they stand in a word. */
const plain = /^[A-Za-z0-9_.,:/@%+=-]+$/

/** A word as a POSIX shell reads it: quoted only if it must be. */
export const quoted = (word: string): string =>
  plain.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
