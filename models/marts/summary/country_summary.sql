-- One row per country that learners gave; those who gave none are a row of their own.
with

stages_by_country as (
    select * from {{ ref('stages_by_country') }}
),

final as (
    select
        country,
        sum(learners)::bigint as learners,
        sum(passed)::bigint as passed,
        sum(if(no_certificate_eligible > 0, learners, 0))::bigint as certificate_eligible
    from stages_by_country
    group by country
)

select * from final
order by learners desc, country asc nulls last
