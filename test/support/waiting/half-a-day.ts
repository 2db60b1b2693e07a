/** The hour in UTC that is half a day away, whenever a test is run: a nightly batch at that hour comes after anything that is due soon. */
export const hourHalfADayAway = (new Date().getUTCHours() + 12) % 24
