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
