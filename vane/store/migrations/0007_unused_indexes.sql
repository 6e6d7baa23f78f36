-- The lists of the strongest and the newest items are kept in memory now.
drop index item_trend_1d;
drop index item_trend_7d;
drop index item_created_at;
