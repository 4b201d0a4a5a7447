-- One row per learner who earned a certificate in a current run and is mailed for it now.
with

mailout_candidates as (
    select * from {{ ref('mailout_candidates') }}
),

final as (
    select * from mailout_candidates
    where excluded_reason is null and trigger_course_verified = 1
)

-- the contract names the columns, which are the candidates'
select * from final -- noqa: AM04
