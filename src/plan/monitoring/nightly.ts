/** When every view is refreshed, where nobody says otherwise. */
export const nightly = { schedule: '0 9 * * *', timeZone: 'Etc/UTC' }
