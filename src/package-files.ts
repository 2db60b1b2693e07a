/**
 * The files that this package has besides its code. `src/` of the repository and `dist/` of the installed package stand at
 * the same depth, so the paths hold in both.
 */
const file = (path: string): URL => new URL(`../${path}`, import.meta.url)

/** The schema steps of schema `viewkeeper`. */
export const schemaFolder = file('schema/')

/** The bundles of the functions, one folder each, as `npm run build` makes them. */
export const functionsFolder = file('dist/functions/')

/** The page's files, as `npm run build` makes them. */
export const pageFolder = file('dist/page/')

/** What makes the page from its source. Only the repository has it. */
export const pageBuilder = file('build/page.ts')

/** What `import … from 'viewkeeper'` gives: of the sources if this file is one of them, else of `dist/`. */
export const indexModule = new URL(import.meta.url.endsWith('.ts') ? 'index.ts' : 'index.js', import.meta.url)

/** What `npx viewkeeper init` copies. */
export const templateFolder = file('template/')
