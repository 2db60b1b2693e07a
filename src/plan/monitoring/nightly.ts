/** The nightly refresh of every view, unless something else is configured. */
export const nightly = { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }
