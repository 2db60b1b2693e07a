/** Imports a file of TypeScript or JavaScript by its path, and returns what the file exports. */
export type ImportFile = (path: string) => Promise<Record<string, unknown>>
