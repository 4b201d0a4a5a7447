-- One row per learner who is mailed now: the one mail that the learner gets.
with

mailout_candidates as (
    select * from {{ ref('mailout_candidates') }}
),

final as (
    select * from mailout_candidates
    where excluded_reason is null
)

-- the contract names the columns, which are the candidates'
select * from final -- noqa: AM04
