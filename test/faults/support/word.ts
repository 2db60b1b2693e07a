/** What a caller is told by an error: its class, or the error itself. */
export const wordOf = (error: unknown): string => (error as { code?: string }).code ?? String(error)
